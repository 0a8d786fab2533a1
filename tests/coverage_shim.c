/* Loaded with LD_PRELOAD by scripts/coverage. The process that reads HDF5 files ends by a signal or _exit, neither of
 * which writes down what it covered. So its end comes half a second later, and it writes first. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_US 500000
#define STEP_US 1000

int kill(pid_t pid, int signal_number)
{
	if (signal_number == SIGKILL && pid > 0)
		for (int waited = 0; waited < PATIENCE_US; waited += STEP_US) {
			siginfo_t ended = {0};

			/* WNOWAIT: the caller still has to find it */
			if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == pid)
				break;
			usleep(STEP_US);
		}
	return (int)syscall(SYS_kill, pid, signal_number);
}

void _exit(int status)
{
	void (*dump)(void);

	*(void **)&dump = dlsym(RTLD_DEFAULT, "__gcov_dump");
	if (dump)
		dump();
	for (;;)
		syscall(SYS_exit_group, status);
}
