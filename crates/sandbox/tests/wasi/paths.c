/* Directories, names, and what a path may be. */
#include "cases.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

void fdopendir_with_access(void) {
    DIR *dir = opendir("/in");
    CHECK(dir != NULL);
    char seen[64] = {0};
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        strcat(strcat(seen, entry->d_name), " ");
    }
    OK(strcmp(seen, ". .. dir file "));
    rewinddir(dir);
    CHECK(readdir(dir) != NULL);
    OK(closedir(dir));
    CHECK(opendir("/in/file") == NULL);
    IS(errno, ENOTDIR);
}

/* Lists through a buffer of this size; the names with their types, and how often it asked. */
static int listed(int fd, size_t room, char *names) {
    uint8_t buffer[512];
    __wasi_dircookie_t cookie = 0;
    int calls = 0;
    *names = 0;
    for (;;) {
        __wasi_size_t used;
        OK(__wasi_fd_readdir(fd, buffer, room, cookie, &used));
        calls++;
        size_t at = 0;
        __wasi_dirent_t entry;
        while (at + sizeof entry <= used) {
            memcpy(&entry, buffer + at, sizeof entry);
            at += sizeof entry + entry.d_namlen;
            if (at > used) {
                break;
            }
            strncat(names, (char *)buffer + at - entry.d_namlen, entry.d_namlen);
            strcat(names, entry.d_type == __WASI_FILETYPE_DIRECTORY ? "/ " : " ");
            cookie = entry.d_next;
        }
        if (used < room) {
            return calls;
        }
    }
}

void fd_readdir(void) {
    char names[512];
    OK(__wasi_path_create_directory(OUT, "d"));
    int fd = opened(OUT, "d", DIRECTORY, READ);
    IS(listed(fd, 512, names), 1);
    OK(strcmp(names, "./ ../ "));
    make("d/file", "x");
    OK(__wasi_path_create_directory(OUT, "d/sub"));
    IS(listed(fd, 512, names), 1);
    OK(strcmp(names, "./ ../ file sub/ "));
    CHECK(listed(fd, 40, names) > 3);
    OK(strcmp(names, "./ ../ file sub/ "));
    __wasi_size_t used = 9;
    uint8_t byte;
    OK(__wasi_fd_readdir(fd, &byte, 0, 0, &used));
    IS(used, 0);
    OK(__wasi_fd_readdir(fd, &byte, 1, 1000, &used));
    IS(used, 0);
}

/* What is read on stays as it was when reading began. */
void fd_readdir_while_it_changes(void) {
    for (int i = 0; i < 9; i++) {
        char name[] = "f0";
        name[1] += i;
        make(name, "");
    }
    uint8_t buffer[60];
    __wasi_size_t used;
    __wasi_dirent_t entry;
    __wasi_dircookie_t cookie = 0;
    char names[64] = {0};
    for (int i = 0; i < 11; i++) {
        OK(__wasi_fd_readdir(OUT, buffer, sizeof buffer, cookie, &used));
        memcpy(&entry, buffer, sizeof entry);
        strncat(names, (char *)buffer + sizeof entry, entry.d_namlen);
        cookie = entry.d_next;
        if (i == 4) {
            OK(__wasi_path_unlink_file(OUT, "f0"));
            make("e", "");
        }
    }
    OK(strcmp(names, "...f0f1f2f3f4f5f6f7f8"));
}

void directory_seek(void) {
    OK(__wasi_path_create_directory(OUT, "d"));
    int fd = opened(OUT, "d", DIRECTORY, READ);
    __wasi_filesize_t at;
    IS(seek_to(fd, 0, __WASI_WHENCE_SET), -__WASI_ERRNO_ISDIR);
    IS(__wasi_fd_tell(fd, &at), __WASI_ERRNO_ISDIR);
}

void dir_fd_op_failures(void) {
    OK(__wasi_path_create_directory(OUT, "d"));
    int fd = opened(OUT, "d", DIRECTORY, READ | WRITE);
    char byte;
    IS(read_some(fd, &byte, 1), -__WASI_ERRNO_ISDIR);
    IS(pread_some(fd, &byte, 1, 0), -__WASI_ERRNO_ISDIR);
    IS(write_some(fd, "x", 1), -__WASI_ERRNO_BADF);
    IS(pwrite_some(fd, "x", 1, 0), -__WASI_ERRNO_BADF);
    IS(__wasi_fd_allocate(fd, 0, 1), __WASI_ERRNO_ISDIR);
    IS(__wasi_fd_filestat_set_size(fd, 0), __WASI_ERRNO_ISDIR);
    IS(open_at(OUT, "d", 0, READ | WRITE, 0), -__WASI_ERRNO_ISDIR);
    IS(open_at(OUT, "d", TRUNCATE, READ, 0), -__WASI_ERRNO_ISDIR);
    __wasi_fdstat_t state;
    OK(__wasi_fd_fdstat_get(fd, &state));
    IS(state.fs_filetype, __WASI_FILETYPE_DIRECTORY);
}

/* What is removed can be used until it is closed. */
void dangling_fd(void) {
    make("f", "12345");
    int fd = opened(OUT, "f", 0, READ | WRITE);
    OK(__wasi_path_unlink_file(OUT, "f"));
    char text[9];
    IS(read_some(fd, text, 9), 5);
    IS(write_some(fd, "6", 1), 1);
    make("f", "other");
    IS(pread_some(fd, text, 9, 0), 6);
    OK(memcmp(text, "123456", 6));
    OK(__wasi_path_create_directory(OUT, "d"));
    int dir = opened(OUT, "d", DIRECTORY, READ);
    OK(__wasi_path_remove_directory(OUT, "d"));
    IS(open_at(dir, "f", CREATE, WRITE, 0), -__WASI_ERRNO_NOENT);
    OK(__wasi_fd_close(dir));
}

void interesting_paths(void) {
    IS(open_at(IN, "/dir/nested", 0, READ, 0), -__WASI_ERRNO_NOTCAPABLE);
    IS(open_at(IN, "dir/../../in/file", 0, READ, 0), -__WASI_ERRNO_NOTCAPABLE);
    IS(open_at(IN, "..", 0, READ, 0), -__WASI_ERRNO_NOTCAPABLE);
    IS(open_at(IN, "", 0, READ, 0), -__WASI_ERRNO_NOENT);
    opened(IN, "dir/.//nested", 0, READ);
    opened(IN, "dir/../file", 0, READ);
    opened(IN, "./dir/../dir/./nested", 0, READ);
    opened(IN, "dir/", 0, READ);
    opened(IN, "dir//", DIRECTORY, READ);
    opened(IN, ".", DIRECTORY, READ);
    IS(open_at(IN, "dir/nested/", 0, READ, 0), -__WASI_ERRNO_NOTDIR);
    IS(open_at(IN, "dir/nested/..", 0, READ, 0), -__WASI_ERRNO_NOTDIR);
    IS(open_at(IN, "file/more", 0, READ, 0), -__WASI_ERRNO_NOTDIR);
    static char name[5000];
    memset(name, 'a', 300);
    IS(open_at(OUT, name, CREATE, WRITE, 0), -__WASI_ERRNO_NAMETOOLONG);
    memset(name, 'a', 4999);
    IS(open_at(OUT, name, CREATE, WRITE, 0), -__WASI_ERRNO_NAMETOOLONG);
    IS(open_at(OUT, "\xff\xfe", CREATE, WRITE, 0), -__WASI_ERRNO_ILSEQ);
}

void path_exists(void) {
    make("f", "");
    IS(stat_of(OUT, "f").filetype, __WASI_FILETYPE_REGULAR_FILE);
    OK(__wasi_path_create_directory(OUT, "d"));
    IS(stat_of(OUT, "d").filetype, __WASI_FILETYPE_DIRECTORY);
    __wasi_filestat_t stat;
    IS(__wasi_path_filestat_get(OUT, 0, "none", &stat), __WASI_ERRNO_NOENT);
    IS(__wasi_path_filestat_get(OUT, 0, "d/none", &stat), __WASI_ERRNO_NOENT);
    IS(__wasi_path_filestat_get(OUT, 0, "none/none", &stat), __WASI_ERRNO_NOENT);
}

void path_filestat(void) {
    __wasi_filestat_t stat = stat_of(IN, "dir/nested");
    IS(stat.size, 6);
    IS(stat.filetype, __WASI_FILETYPE_REGULAR_FILE);
    IS(stat.atim, 1700000000000000000ll);
    IS(stat.mtim, stat.ctim);
    make("f", "123");
    stat = stat_of(OUT, "f");
    OK(__wasi_path_filestat_set_times(OUT, 0, "f", 1, 2, __WASI_FSTFLAGS_ATIM));
    IS(stat_of(OUT, "f").atim, stat.atim);
    IS(__wasi_path_filestat_set_times(OUT, 0, "g", 1, 2, 1), __WASI_ERRNO_NOENT);
}

void path_open_create_existing(void) {
    make("f", "");
    IS(open_at(OUT, "f", CREATE | EXCLUSIVE, WRITE, 0), -__WASI_ERRNO_EXIST);
    opened(OUT, "g", CREATE | EXCLUSIVE, WRITE);
    OK(__wasi_path_create_directory(OUT, "d"));
    IS(__wasi_path_create_directory(OUT, "d"), __WASI_ERRNO_EXIST);
    IS(__wasi_path_create_directory(OUT, "f"), __WASI_ERRNO_EXIST);
    IS(open_at(OUT, "d", CREATE | EXCLUSIVE, WRITE, 0), -__WASI_ERRNO_EXIST);
}

void path_open_dirfd_not_dir(void) {
    make("f", "");
    int fd = opened(OUT, "f", 0, READ);
    IS(open_at(fd, "g", CREATE, WRITE, 0), -__WASI_ERRNO_NOTDIR);
    IS(open_at(OUT, "f", DIRECTORY, READ, 0), -__WASI_ERRNO_NOTDIR);
    IS(open_at(1, "g", CREATE, WRITE, 0), -__WASI_ERRNO_NOTDIR);
    IS(open_at(99, "g", CREATE, WRITE, 0), -__WASI_ERRNO_BADF);
}

void path_open_missing(void) {
    IS(open_at(OUT, "f", 0, READ, 0), -__WASI_ERRNO_NOENT);
    IS(open_at(OUT, "d/f", CREATE, WRITE, 0), -__WASI_ERRNO_NOENT);
    IS(open_at(OUT, "f", TRUNCATE, WRITE, 0), -__WASI_ERRNO_NOENT);
    IS(open_at(OUT, "d", CREATE | DIRECTORY, READ, 0), -__WASI_ERRNO_INVAL);
}

void path_open_nonblock(void) {
    make("f", "12");
    int fd = open_at(OUT, "f", 0, READ, __WASI_FDFLAGS_NONBLOCK);
    char text[9];
    IS(read_some(fd, text, 9), 2);
}

void path_open_preopen(void) {
    int fd = opened(OUT, ".", DIRECTORY, READ);
    CHECK(fd > JOB);
    opened(fd, "f", CREATE, WRITE);
    IS(stat_of(OUT, "f").size, 0);
    IS(stat_of(fd, ".").ino, stat_of(OUT, ".").ino);
}

void path_open_read_write(void) {
    make("f", "12345");
    char text[9];
    int fd = opened(OUT, "f", 0, READ);
    IS(read_some(fd, text, 9), 5);
    IS(write_some(fd, "x", 1), -__WASI_ERRNO_BADF);
    fd = opened(OUT, "f", 0, WRITE);
    IS(read_some(fd, text, 9), -__WASI_ERRNO_BADF);
    IS(write_some(fd, "x", 1), 1);
    fd = opened(OUT, "f", 0, READ | WRITE);
    IS(read_some(fd, text, 1), 1);
    IS(text[0], 'x');
    IS(write_some(fd, "y", 1), 1);
}

void path_rename(void) {
    make("f", "1");
    make("g", "22");
    OK(__wasi_path_rename(OUT, "f", OUT, "h"));
    IS(open_at(OUT, "f", 0, READ, 0), -__WASI_ERRNO_NOENT);
    OK(__wasi_path_rename(OUT, "h", OUT, "g"));
    IS(stat_of(OUT, "g").size, 1);
    OK(__wasi_path_rename(OUT, "g", OUT, "g"));
    OK(__wasi_path_create_directory(OUT, "d"));
    OK(__wasi_path_create_directory(OUT, "e"));
    make("e/f", "");
    IS(__wasi_path_rename(OUT, "d", OUT, "e"), __WASI_ERRNO_NOTEMPTY);
    IS(__wasi_path_rename(OUT, "d", OUT, "g"), __WASI_ERRNO_NOTDIR);
    IS(__wasi_path_rename(OUT, "g", OUT, "d"), __WASI_ERRNO_ISDIR);
    IS(__wasi_path_rename(OUT, "e", OUT, "e/inside"), __WASI_ERRNO_INVAL);
    OK(__wasi_path_rename(OUT, "e", OUT, "d"));
    IS(stat_of(OUT, "d/f").size, 0);
    IS(__wasi_path_rename(OUT, "none", OUT, "x"), __WASI_ERRNO_NOENT);
    IS(__wasi_path_rename(OUT, "g", OUT, "../x"), __WASI_ERRNO_NOTCAPABLE);
}

void path_rename_dir_trailing_slashes(void) {
    OK(__wasi_path_create_directory(OUT, "d"));
    OK(__wasi_path_rename(OUT, "d/", OUT, "e"));
    OK(__wasi_path_rename(OUT, "e", OUT, "d/"));
    OK(__wasi_path_rename(OUT, "d/", OUT, "e/"));
    make("f", "");
    IS(__wasi_path_rename(OUT, "f", OUT, "g/"), __WASI_ERRNO_NOTDIR);
    IS(__wasi_path_rename(OUT, "f/", OUT, "g"), __WASI_ERRNO_NOTDIR);
}

void remove_directory_trailing_slashes(void) {
    OK(__wasi_path_create_directory(OUT, "d/"));
    OK(__wasi_path_remove_directory(OUT, "d/"));
    make("f", "");
    IS(__wasi_path_remove_directory(OUT, "f"), __WASI_ERRNO_NOTDIR);
    IS(__wasi_path_remove_directory(OUT, "f/"), __WASI_ERRNO_NOTDIR);
    IS(__wasi_path_remove_directory(OUT, "d"), __WASI_ERRNO_NOENT);
}

void remove_nonempty_directory(void) {
    OK(__wasi_path_create_directory(OUT, "d"));
    OK(__wasi_path_create_directory(OUT, "d/e"));
    IS(__wasi_path_remove_directory(OUT, "d"), __WASI_ERRNO_NOTEMPTY);
    OK(__wasi_path_remove_directory(OUT, "d/e"));
    OK(__wasi_path_remove_directory(OUT, "d"));
}

void unlink_file_trailing_slashes(void) {
    OK(__wasi_path_create_directory(OUT, "d"));
    IS(__wasi_path_unlink_file(OUT, "d"), __WASI_ERRNO_ISDIR);
    IS(__wasi_path_unlink_file(OUT, "d/"), __WASI_ERRNO_ISDIR);
    make("f", "");
    IS(__wasi_path_unlink_file(OUT, "f/"), __WASI_ERRNO_NOTDIR);
    OK(__wasi_path_unlink_file(OUT, "f"));
    IS(__wasi_path_unlink_file(OUT, "f"), __WASI_ERRNO_NOENT);
}

/* What was given is the same for everybody, and nobody changes it. */
void given_files_stay(void) {
    IS(__wasi_path_unlink_file(IN, "file"), __WASI_ERRNO_ROFS);
    IS(__wasi_path_create_directory(IN, "new"), __WASI_ERRNO_ROFS);
    IS(__wasi_path_remove_directory(IN, "dir"), __WASI_ERRNO_ROFS);
    IS(__wasi_path_rename(IN, "file", OUT, "file"), __WASI_ERRNO_ROFS);
    IS(__wasi_path_rename(IN, "file", IN, "other"), __WASI_ERRNO_ROFS);
    IS(open_at(IN, "new", CREATE, WRITE, 0), -__WASI_ERRNO_ROFS);
    IS(open_at(IN, "file", 0, READ | WRITE, 0), -__WASI_ERRNO_ROFS);
    IS(stat_of(IN, "file").size, 5);
}
