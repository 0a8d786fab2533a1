/* The protocols that are shipped, in the order of their dose per fraction's intent: stereotactic, conventional, tests.
 */
#include "protocol.h"

static const char *const names[] = {"rtog0631-16gy-1fx",
                                    "rtog0631-18gy-1fx",
                                    "sbrt-24gy-1fx",
                                    "sc24-24gy-2fx",
                                    "sbrt-27gy-3fx",
                                    "sbrt-30gy-3fx",
                                    "sbrt-30gy-4fx",
                                    "sbrt-30gy-5fx",
                                    "sbrt-35gy-5fx",
                                    "sbrt-40gy-5fx",
                                    "postop-24gy-1fx",
                                    "postop-24gy-3fx",
                                    "postop-27gy-3fx",
                                    "postop-30gy-3fx",
                                    "conventional-8gy-1fx",
                                    "conventional-20gy-5fx",
                                    "conventional-30gy-10fx",
                                    "tg119-c-shape",
                                    NULL};

const char *const *sp_protocol_names(void)
{
	return names;
}
