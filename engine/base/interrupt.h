/* SIGINT and SIGTERM become a flag that long loops ask between steps. */
#ifndef SP_INTERRUPT_H
#define SP_INTERRUPT_H

#include <stdbool.h>

/* Catches SIGINT and SIGTERM; a second signal more than a second after the first ends the process at once. Called by
 * the program, never by the library. */
void sp_interrupt_catch(void);

/* True once a signal has come. */
bool sp_interrupt_asked(void);

/* Lowers the flag, for who has heeded it and has something to finish: another signal, more than
 * a second after the first, ends the process at once. */
void sp_interrupt_acknowledge(void);

#endif
