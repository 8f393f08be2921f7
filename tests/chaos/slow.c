/*
 * A disk that is slow: loaded before libc (LD_PRELOAD), each sync takes as many milliseconds longer as the file PL_SLOW
 * holds (eight bytes, the machine's own order), and each positioned write a sixteenth of that.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define REAL(ret, name, ...)                                                                        \
    static ret (*real)(__VA_ARGS__);                                                                \
    if (!real) real = (ret(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static const volatile int64_t *slow;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("PL_SLOW");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *slow, PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) slow = map;
    close(fd);
}

static void wait_for(int64_t part) {
    int64_t ms = slow ? *slow : 0;
    if (ms > 0) usleep((useconds_t)(ms * 1000 / part));
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    wait_for(1);
    return real(fd);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    wait_for(1);
    return real(fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    wait_for(16);
    return real(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return pwrite64(fd, bytes, count, offset);
}
