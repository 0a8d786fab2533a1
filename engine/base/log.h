/* Talk to the user on stderr. The library itself logs only what a user wants to see; results go to stdout elsewhere. */
#ifndef SP_LOG_H
#define SP_LOG_H

typedef enum { SP_LOG_QUIET = 0, SP_LOG_NORMAL = 1, SP_LOG_DETAIL = 2 } sp_log_level;

/* Process-wide and set once by main before any other thread runs. */
void sp_log_set_level(sp_log_level level);

void sp_log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sp_log_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sp_log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
