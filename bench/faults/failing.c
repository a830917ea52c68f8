/* Lets fsync and write calls fail at random: LD_PRELOAD library of the fault rig (S84).

   FAULT_CONTROL names a file of four 32-bit numbers, shared with the rig: calls out of a thousand
   that fail, of fsync and fdatasync, and of write; and how many of each failed so far.
   Only files whose path holds FAULT_PATH are struck. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static volatile uint32_t *control;
static __thread unsigned seed;

static int strikes(int fd, int kind) {
    if (fd < 3) return 0;
    if (!control) {
        const char *path = getenv("FAULT_CONTROL");
        int file = path ? open(path, O_RDWR) : -1;
        if (file < 0) return 0;
        void *found = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (found == MAP_FAILED) return 0;
        control = found;
    }
    if (!control[kind]) return 0;
    char link[32], path[4096];
    struct stat is;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length >= 0) {
        path[length] = 0;
        if (!strstr(path, getenv("FAULT_PATH"))) return 0;
    } else if (fstat(fd, &is) || !S_ISREG(is.st_mode)) {
        return 0; /* who may not look at its own files writes to no other regular ones */
    }
    if (!seed) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        seed = (unsigned)now.tv_nsec ^ (unsigned)getpid();
    }
    if ((uint32_t)(rand_r(&seed) % 1000) >= control[kind]) return 0;
    __sync_fetch_and_add(&control[2 + kind], 1);
    errno = EIO;
    return 1;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

int fsync(int fd) {
    REAL(int, "fsync", int);
    return strikes(fd, 0) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return strikes(fd, 0) ? -1 : real(fd);
}
ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return strikes(fd, 1) ? -1 : real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return strikes(fd, 1) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return strikes(fd, 1) ? -1 : real(fd, data, size, at);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
    return strikes(fd, 1) ? -1 : real(fd, parts, count, at);
}
