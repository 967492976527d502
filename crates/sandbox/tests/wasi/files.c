/* What can be done with an open file. */
#include "cases.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void fopen_with_access(void) {
    char text[16] = {0};
    FILE *file = fopen("/in/file", "r");
    CHECK(file != NULL);
    IS(fread(text, 1, sizeof text, file), 5);
    OK(strcmp(text, "hello"));
    OK(fclose(file));
    file = fopen("/out/made", "w");
    CHECK(file != NULL);
    IS(fwrite("12", 1, 2, file), 2);
    OK(fclose(file));
}

void fopen_with_no_access(void) {
    errno = 0;
    CHECK(fopen("/in/none", "r") == NULL);
    IS(errno, ENOENT);
    CHECK(fopen("/in/file", "w") == NULL);
    IS(errno, EROFS);
    CHECK(fopen("/etc/passwd", "r") == NULL);
    CHECK(fopen("/in/../etc/passwd", "r") == NULL);
}

void lseek_to_everywhere(void) {
    int fd = open("/in/file", O_RDONLY);
    CHECK(fd > 2);
    IS(lseek(fd, 2, SEEK_SET), 2);
    IS(lseek(fd, 0, SEEK_CUR), 2);
    IS(lseek(fd, -1, SEEK_END), 4);
    IS(lseek(fd, 1000, SEEK_SET), 1000);
    char byte;
    IS(read(fd, &byte, 1), 0);
    IS(lseek(fd, -1, SEEK_SET), -1);
    IS(errno, EINVAL);
    OK(close(fd));
    IS(lseek(fd, 0, SEEK_SET), -1);
    IS(errno, EBADF);
}

void pread_with_access(void) {
    char text[8] = {0};
    int fd = open("/in/file", O_RDONLY);
    IS(pread(fd, text, 3, 2), 3);
    OK(memcmp(text, "llo", 3));
    IS(pread(fd, text, 3, 5), 0);
    IS(lseek(fd, 0, SEEK_CUR), 0);
}

void pwrite_with_access(void) {
    char text[9] = {0};
    int fd = open("/out/file", O_RDWR | O_CREAT, 0600);
    IS(pwrite(fd, "abcdef", 6, 0), 6);
    IS(pwrite(fd, "XY", 2, 2), 2);
    IS(lseek(fd, 0, SEEK_CUR), 0);
    IS(read(fd, text, 8), 6);
    OK(strcmp(text, "abXYef"));
    int only = open("/in/file", O_RDONLY);
    IS(pwrite(only, "x", 1, 0), -1);
    IS(errno, EBADF);
}

void pwrite_with_append(void) {
    make("log", "12345");
    int fd = open_at(OUT, "log", 0, READ | WRITE, APPEND);
    CHECK(fd > 2);
    /* A place that is named counts, for a file that is appended to as well. */
    IS(pwrite_some(fd, "X", 1, 1), 1);
    IS(write_some(fd, "6", 1), 1);
    char text[9] = {0};
    IS(pread_some(fd, text, 8, 0), 6);
    OK(strcmp(text, "1X3456"));
}

void stat_dev_ino(void) {
    struct stat one, two;
    OK(stat("/in/file", &one));
    OK(stat("/in/dir/nested", &two));
    IS(one.st_dev, two.st_dev);
    CHECK(one.st_ino != two.st_ino && one.st_ino != 0 && two.st_ino != 0);
    int fd = open("/in/file", O_RDONLY);
    OK(fstat(fd, &two));
    IS(one.st_ino, two.st_ino);
    IS(two.st_size, 5);
    CHECK(S_ISREG(two.st_mode));
}

void file_pread_pwrite(void) {
    int fd = opened(OUT, "f", CREATE | TRUNCATE, READ | WRITE);
    __wasi_ciovec_t parts[2] = {{(const uint8_t *)"0123", 4}, {(const uint8_t *)"456", 3}};
    __wasi_size_t count;
    OK(__wasi_fd_pwrite(fd, parts, 2, 0, &count));
    IS(count, 7);
    char one[3], two[9];
    __wasi_iovec_t into[2] = {{(uint8_t *)one, 3}, {(uint8_t *)two, 9}};
    OK(__wasi_fd_pread(fd, into, 2, 1, &count));
    IS(count, 6);
    OK(memcmp(one, "123", 3));
    OK(memcmp(two, "456", 3));
    IS(pread_some(fd, two, 9, 7), 0);
    IS(pread_some(fd, two, 9, ~0ull >> 1), 0);
    /* A gap is full of zeros. */
    IS(pwrite_some(fd, "z", 1, 9), 1);
    IS(pread_some(fd, two, 9, 6), 4);
    OK(memcmp(two, "6\0\0z", 4));
}

void file_seek_tell(void) {
    int fd = opened(OUT, "f", CREATE, READ | WRITE);
    __wasi_filesize_t at;
    OK(__wasi_fd_tell(fd, &at));
    IS(at, 0);
    IS(write_some(fd, "0123456789", 10), 10);
    OK(__wasi_fd_tell(fd, &at));
    IS(at, 10);
    IS(seek_to(fd, -6, __WASI_WHENCE_CUR), 4);
    IS(seek_to(fd, 2, __WASI_WHENCE_SET), 2);
    IS(seek_to(fd, -9, __WASI_WHENCE_END), 1);
    IS(seek_to(fd, 1000, __WASI_WHENCE_CUR), 1001);
    IS(seek_to(fd, -2000, __WASI_WHENCE_CUR), -__WASI_ERRNO_INVAL);
    IS(seek_to(fd, 0, 9), -__WASI_ERRNO_INVAL);
    OK(__wasi_fd_tell(fd, &at));
    IS(at, 1001);
}

void file_truncation(void) {
    make("f", "0123456789");
    int fd = opened(OUT, "f", 0, READ | WRITE);
    OK(__wasi_fd_filestat_set_size(fd, 4));
    IS(stat_of(OUT, "f").size, 4);
    OK(__wasi_fd_filestat_set_size(fd, 6));
    char text[9];
    IS(read_some(fd, text, 9), 6);
    OK(memcmp(text, "0123\0\0", 6));
    int again = opened(OUT, "f", TRUNCATE, WRITE);
    IS(stat_of(OUT, "f").size, 0);
    IS(seek_to(fd, 0, __WASI_WHENCE_CUR), 6);
    OK(__wasi_fd_close(again));
}

void truncation_rights(void) {
    IS(open_at(IN, "file", TRUNCATE, READ | WRITE, 0), -__WASI_ERRNO_ROFS);
    IS(open_at(IN, "file", TRUNCATE, READ, 0), -__WASI_ERRNO_ROFS);
    IS(stat_of(IN, "file").size, 5);
    int fd = opened(IN, "file", 0, READ);
    IS(__wasi_fd_filestat_set_size(fd, 0), __WASI_ERRNO_INVAL);
    IS(__wasi_fd_allocate(fd, 0, 100), __WASI_ERRNO_INVAL);
    IS(stat_of(IN, "file").size, 5);
}

void file_allocate(void) {
    int fd = opened(OUT, "f", CREATE, READ | WRITE);
    IS(stat_of(OUT, "f").size, 0);
    OK(__wasi_fd_allocate(fd, 0, 100));
    IS(stat_of(OUT, "f").size, 100);
    OK(__wasi_fd_allocate(fd, 10, 10));
    IS(stat_of(OUT, "f").size, 100);
    OK(__wasi_fd_allocate(fd, 90, 20));
    IS(stat_of(OUT, "f").size, 110);
    IS(__wasi_fd_allocate(fd, ~0ull, 2), __WASI_ERRNO_INVAL);
}

void file_unbuffered_write(void) {
    int out = opened(OUT, "f", CREATE, WRITE);
    int in = opened(OUT, "f", 0, READ);
    IS(write_some(out, "x", 1), 1);
    char byte = 0;
    IS(read_some(in, &byte, 1), 1);
    IS(byte, 'x');
}

void fd_advise(void) {
    int fd = opened(OUT, "f", CREATE, READ | WRITE);
    OK(__wasi_fd_allocate(fd, 0, 100));
    for (int advice = 0; advice < 6; advice++) {
        OK(__wasi_fd_advise(fd, 10, 50, advice));
    }
    IS(stat_of(OUT, "f").size, 100);
    IS(__wasi_fd_advise(99, 0, 1, 0), __WASI_ERRNO_BADF);
}

void fd_sync(void) {
    int fd = opened(OUT, "f", CREATE, WRITE);
    OK(__wasi_fd_sync(fd));
    OK(__wasi_fd_datasync(fd));
    IS(__wasi_fd_sync(99), __WASI_ERRNO_BADF);
}

void fd_flags_set(void) {
    make("f", "12345");
    int fd = opened(OUT, "f", 0, READ | WRITE);
    __wasi_fdstat_t state;
    OK(__wasi_fd_fdstat_get(fd, &state));
    IS(state.fs_flags, 0);
    OK(__wasi_fd_fdstat_set_flags(fd, APPEND));
    OK(__wasi_fd_fdstat_get(fd, &state));
    IS(state.fs_flags, APPEND);
    IS(seek_to(fd, 0, __WASI_WHENCE_SET), 0);
    IS(write_some(fd, "6", 1), 1);
    IS(stat_of(OUT, "f").size, 6);
    OK(__wasi_fd_fdstat_set_flags(fd, 0));
    IS(seek_to(fd, 0, __WASI_WHENCE_SET), 0);
    IS(write_some(fd, "X", 1), 1);
    IS(stat_of(OUT, "f").size, 6);
}

/* Rights say how a file was opened; taking some away is accepted and changes nothing. */
void fd_fdstat_set_rights(void) {
    make("f", "12345");
    int fd = opened(OUT, "f", 0, READ);
    __wasi_fdstat_t state;
    OK(__wasi_fd_fdstat_get(fd, &state));
    CHECK(state.fs_rights_base & READ);
    CHECK(!(state.fs_rights_base & WRITE));
    IS(state.fs_filetype, __WASI_FILETYPE_REGULAR_FILE);
    OK(__wasi_fd_fdstat_set_rights(fd, state.fs_rights_base & ~READ, 0));
    char byte;
    IS(read_some(fd, &byte, 1), 1);
    IS(__wasi_fd_fdstat_set_rights(99, 0, 0), __WASI_ERRNO_BADF);
}

/* Times are those of the task; setting them succeeds, because programs insist. */
void fd_filestat_set(void) {
    int fd = opened(OUT, "f", CREATE, WRITE);
    __wasi_filestat_t one, two;
    OK(__wasi_fd_filestat_get(fd, &one));
    IS(one.size, 0);
    IS(one.nlink, 1);
    IS(one.mtim, 1700000000000000000ll);
    OK(__wasi_fd_filestat_set_times(fd, 5, 6, __WASI_FSTFLAGS_MTIM | __WASI_FSTFLAGS_ATIM));
    IS(write_some(fd, "123", 3), 3);
    OK(__wasi_fd_filestat_get(fd, &two));
    IS(two.size, 3);
    IS(two.mtim, one.mtim);
    IS(two.ino, one.ino);
    IS(__wasi_fd_filestat_get(99, &one), __WASI_ERRNO_BADF);
}

void renumber(void) {
    make("a", "a");
    make("b", "b");
    int a = opened(OUT, "a", 0, READ), b = opened(OUT, "b", 0, READ);
    __wasi_filestat_t before, after;
    OK(__wasi_fd_filestat_get(a, &before));
    OK(__wasi_fd_renumber(a, b));
    IS(__wasi_fd_filestat_get(a, &after), __WASI_ERRNO_BADF);
    OK(__wasi_fd_filestat_get(b, &after));
    IS(after.ino, before.ino);
    OK(__wasi_fd_renumber(b, b));
    IS(__wasi_fd_renumber(b, 99), __WASI_ERRNO_BADF);
    IS(__wasi_fd_renumber(99, b), __WASI_ERRNO_BADF);
    IS(opened(OUT, "a", 0, READ), a);
}

void overwrite_preopen(void) {
    int fd = opened(OUT, "f", CREATE, READ | WRITE);
    __wasi_prestat_t preopened;
    OK(__wasi_fd_prestat_get(IN, &preopened));
    OK(__wasi_fd_renumber(fd, IN));
    IS(__wasi_fd_prestat_get(IN, &preopened), __WASI_ERRNO_BADF);
    IS(write_some(IN, "x", 1), 1);
    IS(open_at(IN, "file", 0, READ, 0), -__WASI_ERRNO_NOTDIR);
}

void close_preopen(void) {
    __wasi_prestat_t preopened;
    for (int fd = IN; fd <= JOB; fd++) {
        char name[9] = {0};
        OK(__wasi_fd_prestat_get(fd, &preopened));
        IS(preopened.tag, 0);
        OK(__wasi_fd_prestat_dir_name(fd, (uint8_t *)name, preopened.u.dir.pr_name_len));
        IS(name[0], '/');
        IS(strlen(name), preopened.u.dir.pr_name_len);
        IS(__wasi_fd_prestat_dir_name(fd, (uint8_t *)name, 1), __WASI_ERRNO_NAMETOOLONG);
    }
    IS(__wasi_fd_prestat_get(JOB + 1, &preopened), __WASI_ERRNO_BADF);
    OK(__wasi_fd_close(OUT));
    IS(__wasi_fd_close(OUT), __WASI_ERRNO_BADF);
    IS(open_at(OUT, "f", CREATE, WRITE, 0), -__WASI_ERRNO_BADF);
    OK(__wasi_fd_close(2));
    IS(opened(IN, "file", 0, READ), 2);
}

void fd_table_is_bounded(void) {
    int count = 0, fd;
    while ((fd = open_at(IN, "file", 0, READ, 0)) >= 0) {
        count++;
        CHECK(count < 1000);
    }
    IS(fd, -__WASI_ERRNO_MFILE);
    OK(__wasi_fd_close(100));
    IS(opened(IN, "file", 0, READ), 100);
}
