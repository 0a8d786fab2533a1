/* Runs a fuzz target over files and the files of folders, without a fuzzer: the corpus as an ordinary test. */
#include "fuzz_input.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "atomic_file.h"

#define MAX_BYTES (16u << 20)

static int replay(const char *path)
{
	sp_error err = {0};
	char *data;
	size_t bytes;

	if (sp_file_read_all(&data, &bytes, path, MAX_BYTES, &err) != SP_OK) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	fprintf(stderr, "%s\n", path); /* the last one named is the one that it ended with */
	LLVMFuzzerTestOneInput((const uint8_t *)data, bytes);
	free(data);
	return 1;
}

static int replay_folder(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int n = 0;

	if (!d) {
		perror(folder);
		exit(1);
	}
	while ((e = readdir(d))) {
		char path[1024];

		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.')
			n += replay(path);
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		struct stat s;

		n += stat(argv[i], &s) == 0 && S_ISDIR(s.st_mode) ? replay_folder(argv[i]) : replay(argv[i]);
	}
	printf("%d inputs\n", n);
	return n ? 0 : 1;
}
