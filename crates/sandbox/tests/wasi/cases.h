/* Shorthands of the cases. One that fails says where on standard error and exits with 1. */
#ifndef CASES_H
#define CASES_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

/* The directories that every program finds open. The first two can only be read. */
enum { IN = 3, DATA = 4, OUT = 5, JOB = 6 };

#define READ __WASI_RIGHTS_FD_READ
#define WRITE __WASI_RIGHTS_FD_WRITE
#define CREATE __WASI_OFLAGS_CREAT
#define DIRECTORY __WASI_OFLAGS_DIRECTORY
#define EXCLUSIVE __WASI_OFLAGS_EXCL
#define TRUNCATE __WASI_OFLAGS_TRUNC
#define APPEND __WASI_FDFLAGS_APPEND

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

#define IS(call, wanted)                                                       \
    do {                                                                       \
        long long found_ = (long long)(call), wanted_ = (long long)(wanted);   \
        if (found_ != wanted_) {                                               \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #call, found_, \
                    wanted_);                                                  \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

#define OK(call) IS(call, 0)

/* Opens, or gives the negative error number. */
static inline int open_at(int dir, const char *path, int how, __wasi_rights_t rights, int flags) {
    __wasi_fd_t fd = 0;
    int error = __wasi_path_open(dir, 0, path, how, rights, 0, flags, &fd);
    return error ? -error : (int)fd;
}

/* The same, which must succeed. */
static inline int opened(int dir, const char *path, int how, __wasi_rights_t rights) {
    int fd = open_at(dir, path, how, rights, 0);
    if (fd < 0) {
        fprintf(stderr, "%s cannot be opened: %d\n", path, -fd);
        exit(1);
    }
    return fd;
}

static inline int write_some(int fd, const char *bytes, size_t count) {
    __wasi_ciovec_t piece = {(const uint8_t *)bytes, count};
    __wasi_size_t written = 0;
    int error = __wasi_fd_write(fd, &piece, 1, &written);
    return error ? -error : (int)written;
}

static inline int read_some(int fd, char *bytes, size_t count) {
    __wasi_iovec_t piece = {(uint8_t *)bytes, count};
    __wasi_size_t got = 0;
    int error = __wasi_fd_read(fd, &piece, 1, &got);
    return error ? -error : (int)got;
}

static inline int pread_some(int fd, char *bytes, size_t count, __wasi_filesize_t at) {
    __wasi_iovec_t piece = {(uint8_t *)bytes, count};
    __wasi_size_t got = 0;
    int error = __wasi_fd_pread(fd, &piece, 1, at, &got);
    return error ? -error : (int)got;
}

static inline int pwrite_some(int fd, const char *bytes, size_t count, __wasi_filesize_t at) {
    __wasi_ciovec_t piece = {(const uint8_t *)bytes, count};
    __wasi_size_t written = 0;
    int error = __wasi_fd_pwrite(fd, &piece, 1, at, &written);
    return error ? -error : (int)written;
}

static inline long long seek_to(int fd, long long offset, int whence) {
    __wasi_filesize_t at = 0;
    int error = __wasi_fd_seek(fd, offset, whence, &at);
    return error ? -error : (long long)at;
}

static inline __wasi_filestat_t stat_of(int dir, const char *path) {
    __wasi_filestat_t stat;
    memset(&stat, 0xff, sizeof stat);
    int error = __wasi_path_filestat_get(dir, 0, path, &stat);
    if (error) {
        fprintf(stderr, "%s has no state: %d\n", path, error);
        exit(1);
    }
    return stat;
}

/* Makes a file in /out. */
static inline void make(const char *path, const char *content) {
    int fd = opened(OUT, path, CREATE, WRITE);
    IS(write_some(fd, content, strlen(content)), strlen(content));
    OK(__wasi_fd_close(fd));
}

#endif
