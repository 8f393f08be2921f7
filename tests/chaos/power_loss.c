/*
 * A disk that can be lied about: loaded before libc (LD_PRELOAD), it writes down how to undo every change to the
 * journal's files, and when a file was synced. Undoing what no sync covers gives what a disk that loses power holds.
 *
 *   PL_DIR          the data directory; only files directly in it are looked at
 *   PL_LOG          the undo log, outside of it
 *   PL_KEPT         a folder on the same file system, where unlinked files are kept
 *   PL_IGNORE_SYNC  set: syncs are not written down, as if the disk lied
 *   PL_SYNC_MS      how long a sync takes at least, so that a loss of power finds something unsynced
 *   PL_NO_ROOM      a path: while it exists, nothing in PL_DIR can grow (ENOSPC, after half of the first write)
 *   PL_SYNC_FAILS   a path: while it exists, the next sync of the write-ahead log fails (EIO), and the path is gone
 *
 * A record: kind (1 byte), length of the name (1), inode (8), offset (8), old size (8), length of the old bytes (8),
 * the name, the old bytes. Numbers are the machine's own. Kinds: W a write or a change of size, C a file made,
 * U a file unlinked (kept under its inode's number), S a sync: what stands before `offset` in the log is stable for
 * the inode (the names of the folder, if the name is empty), X something that cannot be undone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* libc's own, found late: the loader may call us before any constructor has run. */
#define REAL(ret, name, ...)                                                                        \
    static ret (*real)(__VA_ARGS__);                                                                \
    if (!real) real = (ret(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *dir, *log_path, *kept, *no_room, *sync_fails;
static int ignore_sync, sync_ms, log_fd = -1;
static uint64_t log_len;

static ssize_t raw_write(int fd, const void *bytes, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, bytes, count);
}

static int raw_open(const char *path, int flags, int mode) {
    REAL(int, "open64", const char *, int, ...);
    return real(path, flags, mode);
}

__attribute__((constructor)) static void start(void) {
    dir = getenv("PL_DIR");
    log_path = getenv("PL_LOG");
    kept = getenv("PL_KEPT");
    no_room = getenv("PL_NO_ROOM");
    sync_fails = getenv("PL_SYNC_FAILS");
    sync_ms = getenv("PL_SYNC_MS") ? atoi(getenv("PL_SYNC_MS")) : 0;
    ignore_sync = getenv("PL_IGNORE_SYNC") != NULL;
    if (dir && log_path) {
        log_fd = raw_open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        struct stat s;
        if (log_fd < 0 || fstat(log_fd, &s) != 0) {
            fprintf(stderr, "power_loss: the log %s cannot be opened\n", log_path);
            _exit(97);
        }
        log_len = (uint64_t)s.st_size;
    }
}

/* The name of a path within the data directory; "" for the directory itself, NULL for what lies elsewhere. */
static const char *within(const char *path) {
    size_t n = dir ? strlen(dir) : 0;
    if (n == 0 || strncmp(path, dir, n) != 0) return NULL;
    if (path[n] == 0) return path + n;
    return path[n] == '/' ? path + n + 1 : NULL;
}

static const char *name_of(int fd, char *buffer, size_t size) {
    char link[32];
    if (!dir || fd < 0) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, buffer, size - 1);
    if (n <= 0) return NULL;
    buffer[n] = 0;
    char *gone = strstr(buffer, " (deleted)");
    if (gone) *gone = 0;
    return within(buffer);
}

/* True for the files whose contents count: databases, their logs and rollback journals; not the shared memory. */
static int counts(const char *name) {
    if (!name || log_fd < 0 || strstr(name, "-shm")) return 0;
    return strncmp(name, "journal.db", 10) == 0 || strncmp(name, "index.db", 8) == 0;
}

static void must(int ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "power_loss: %s: %s\n", what, strerror(errno));
        _exit(98);
    }
}

static void put(const void *bytes, size_t count) {
    must(raw_write(log_fd, bytes, count) == (ssize_t)count, "the log cannot be written");
    log_len += count;
}

static void record(char kind, const char *name, uint64_t ino, uint64_t offset, uint64_t old_size,
                   const void *old, uint64_t old_len) {
    size_t name_len = strlen(name), size = 34 + name_len + old_len;
    unsigned char *bytes = malloc(size);
    must(bytes != NULL, "no memory");
    bytes[0] = (unsigned char)kind;
    bytes[1] = (unsigned char)name_len;
    memcpy(bytes + 2, &ino, 8);
    memcpy(bytes + 10, &offset, 8);
    memcpy(bytes + 18, &old_size, 8);
    memcpy(bytes + 26, &old_len, 8);
    memcpy(bytes + 34, name, name_len);
    if (old_len) memcpy(bytes + 34 + name_len, old, old_len);
    put(bytes, size);
    free(bytes);
}

/* Writes down what stands in a range, before it changes. */
static void before(int fd, const char *name, uint64_t offset, uint64_t length) {
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
    struct stat s;
    must(fstat(fd, &s) == 0, "a file has no size");
    uint64_t size = (uint64_t)s.st_size;
    uint64_t have = offset >= size ? 0 : (size - offset < length ? size - offset : length);
    char *old = have ? malloc(have) : NULL;
    int reader = fd;
    if (have) {
        must(old != NULL, "no memory");
        ssize_t got = real(reader, old, have, (off64_t)offset);
        must(got == (ssize_t)have, "the old bytes cannot be read");
    }
    record('W', name, (uint64_t)s.st_ino, offset, size, old, have);
    free(old);
}

static int is_full(void) {
    return no_room && access(no_room, F_OK) == 0;
}

/* How much of a write there is room for; -1 for none. */
static ssize_t room(int fd, const char *name, uint64_t offset, size_t count) {
    static __thread int was_cut;
    struct stat s;
    if (!name || !is_full() || fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) return (ssize_t)count;
    if (offset + count <= (uint64_t)s.st_size) return (ssize_t)count;
    was_cut = !was_cut;
    if (was_cut && count > 1) return (ssize_t)(count / 2);
    errno = ENOSPC;
    return -1;
}

static uint64_t place(int fd) {
    struct stat s;
    if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &s) == 0) return (uint64_t)s.st_size;
    off64_t at = lseek64(fd, 0, SEEK_CUR);
    return at < 0 ? 0 : (uint64_t)at;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    char path[4200];
    const char *name = name_of(fd, path, sizeof path);
    if (!name) return raw_write(fd, bytes, count);
    pthread_mutex_lock(&lock);
    uint64_t at = place(fd);
    ssize_t fits = room(fd, name, at, count), done = -1;
    if (fits >= 0) {
        if (counts(name)) before(fd, name, at, (uint64_t)fits);
        done = raw_write(fd, bytes, (size_t)fits);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    char path[4200];
    const char *name = name_of(fd, path, sizeof path);
    if (!name) return real(fd, bytes, count, offset);
    pthread_mutex_lock(&lock);
    ssize_t fits = room(fd, name, (uint64_t)offset, count), done = -1;
    if (fits >= 0) {
        if (counts(name)) before(fd, name, (uint64_t)offset, (uint64_t)fits);
        done = real(fd, bytes, (size_t)fits, offset);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return pwrite64(fd, bytes, count, offset);
}

/* Of several pieces the first is written alone: a short write, which every caller must go on from. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    char path[4200];
    if (!name_of(fd, path, sizeof path) || count < 1) return real(fd, parts, count);
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > 0) return write(fd, parts[i].iov_base, parts[i].iov_len);
    }
    return 0;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t);
    char path[4200];
    if (!name_of(fd, path, sizeof path) || count < 1) return real(fd, parts, count, offset);
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > 0) return pwrite64(fd, parts[i].iov_base, parts[i].iov_len, offset);
    }
    return 0;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    return pwritev64(fd, parts, count, offset);
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, "ftruncate64", int, off64_t);
    char path[4200];
    struct stat s;
    const char *name = name_of(fd, path, sizeof path);
    if (!name) return real(fd, length);
    pthread_mutex_lock(&lock);
    int done = -1;
    if (is_full() && fstat(fd, &s) == 0 && length > s.st_size) {
        errno = ENOSPC;
    } else {
        if (counts(name)) before(fd, name, (uint64_t)length, UINT64_MAX - (uint64_t)length);
        done = real(fd, length);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t length) {
    return ftruncate64(fd, length);
}

static int refuse(const char *what, int fd) {
    char path[4200];
    const char *name = name_of(fd, path, sizeof path);
    if (counts(name)) record('X', what, 0, 0, 0, NULL, 0);
    return counts(name);
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    REAL(int, "posix_fallocate64", int, off64_t, off64_t);
    return refuse("posix_fallocate", fd) ? EOPNOTSUPP : real(fd, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) {
    return posix_fallocate64(fd, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    REAL(int, "fallocate64", int, int, off64_t, off64_t);
    if (!refuse("fallocate", fd)) return real(fd, mode, offset, length);
    errno = EOPNOTSUPP;
    return -1;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    return fallocate64(fd, mode, offset, length);
}

static int synced(int fd, int (*real)(int)) {
    char path[4200];
    struct stat s;
    const char *name = name_of(fd, path, sizeof path);
    if (!name || (*name && !counts(name)) || log_fd < 0) return real(fd);
    if (sync_fails && strstr(name, "-wal") && strncmp(name, "journal", 7) == 0) {
        REAL(int, "unlink", const char *);
        if (real(sync_fails) == 0) {
            errno = EIO;
            return -1;
        }
    }
    /* What others write while this runs is not covered. */
    pthread_mutex_lock(&lock);
    uint64_t upto = log_len;
    pthread_mutex_unlock(&lock);
    must(fstat(fd, &s) == 0, "a file has no inode");
    if (sync_ms > 0) usleep((useconds_t)sync_ms * 1000);
    int done = real(fd);
    if (done == 0 && !ignore_sync) {
        pthread_mutex_lock(&lock);
        record('S', name, (uint64_t)s.st_ino, upto, 0, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return done;
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return synced(fd, real);
}

static int opened(const char *path, int flags, int mode) {
    const char *name = dir ? within(path) : NULL;
    struct stat s;
    if (!counts(name) || !(flags & (O_CREAT | O_TRUNC))) return raw_open(path, flags, mode);
    pthread_mutex_lock(&lock);
    int is_new = stat(path, &s) != 0;
    if (!is_new && (flags & O_TRUNC)) record('X', "O_TRUNC", 0, 0, 0, NULL, 0);
    int fd = raw_open(path, flags, mode);
    if (fd >= 0 && is_new && fstat(fd, &s) == 0) record('C', name, (uint64_t)s.st_ino, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

static int mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = mode_of(flags, rest);
    va_end(rest);
    return opened(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = mode_of(flags, rest);
    va_end(rest);
    return opened(path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    REAL(int, "openat64", int, const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    int mode = mode_of(flags, rest);
    va_end(rest);
    return path[0] == '/' ? opened(path, flags, mode) : real(at, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = mode_of(flags, rest);
    va_end(rest);
    return openat64(at, path, flags, mode);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    const char *name = dir ? within(path) : NULL;
    struct stat s;
    if (!counts(name) || stat(path, &s) != 0) return real(path);
    char keep[4200];
    snprintf(keep, sizeof keep, "%s/%llu", kept ? kept : ".", (unsigned long long)s.st_ino);
    pthread_mutex_lock(&lock);
    must(link(path, keep) == 0 || errno == EEXIST, "an unlinked file cannot be kept");
    record('U', name, (uint64_t)s.st_ino, 0, 0, NULL, 0);
    int done = real(path);
    pthread_mutex_unlock(&lock);
    return done;
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    const char *name = dir ? within(to) : NULL;
    if (counts(name) || (dir && counts(within(from)))) record('X', "rename", 0, 0, 0, NULL, 0);
    return real(from, to);
}
