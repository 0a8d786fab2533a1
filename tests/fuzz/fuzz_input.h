/* What the fuzz targets share: one input of the fuzzer as a file, since the readers read files. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

/* Called by the fuzzer (or replay.c) with each input; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A file that holds just these bytes; the same path each time, valid until the next call. */
const char *fuzz_file(const uint8_t *data, size_t bytes);

/* Ends the process, so that the fuzzer keeps the input. */
void fuzz_finding(const char *what) __attribute__((noreturn));

/* To be called after a file was read: what the process that reads HDF5 covered counts as ours. */
void fuzz_gather(void);

#endif
