/* What this host refuses on purpose, and with which number: links, sockets and signals. A result
   that held a link would lead out of the folder that somebody unpacks it to. */
#include "cases.h"

#include <unistd.h>

void path_link(void) {
    make("f", "");
    IS(__wasi_path_link(OUT, 0, "f", OUT, "g"), __WASI_ERRNO_PERM);
    IS(__wasi_path_link(OUT, 0, "none", OUT, "g"), __WASI_ERRNO_PERM);
    IS(open_at(OUT, "g", 0, READ, 0), -__WASI_ERRNO_NOENT);
    IS(link("/out/f", "/out/g"), -1);
    IS(errno, EPERM);
}

void symlink_create(void) {
    make("f", "");
    IS(__wasi_path_symlink("f", OUT, "g"), __WASI_ERRNO_PERM);
    IS(symlink("f", "/out/g"), -1);
    IS(errno, EPERM);
    IS(open_at(OUT, "g", 0, READ, 0), -__WASI_ERRNO_NOENT);
}

void dangling_symlink(void) {
    IS(__wasi_path_symlink("none", OUT, "g"), __WASI_ERRNO_PERM);
    IS(open_at(OUT, "g", 0, READ, 0), -__WASI_ERRNO_NOENT);
}

void symlink_loop(void) {
    IS(__wasi_path_symlink("g", OUT, "g"), __WASI_ERRNO_PERM);
}

void path_symlink_trailing_slashes(void) {
    IS(__wasi_path_symlink("d", OUT, "g/"), __WASI_ERRNO_PERM);
    IS(__wasi_path_symlink("/etc/passwd", OUT, "g"), __WASI_ERRNO_PERM);
}

void nofollow_errors(void) {
    OK(__wasi_path_create_directory(OUT, "d"));
    /* Without links, following one or not is the same. */
    __wasi_filestat_t one, two;
    OK(__wasi_path_filestat_get(OUT, 0, "d", &one));
    OK(__wasi_path_filestat_get(OUT, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "d", &two));
    IS(one.ino, two.ino);
}

void readlink_of_files(void) {
    make("f", "");
    uint8_t buffer[9];
    __wasi_size_t used;
    IS(__wasi_path_readlink(OUT, "f", buffer, sizeof buffer, &used), __WASI_ERRNO_INVAL);
    IS(__wasi_path_readlink(OUT, "none", buffer, sizeof buffer, &used), __WASI_ERRNO_NOENT);
}

void sock_shutdown_invalid_fd(void) {
    IS(__wasi_sock_shutdown(99, __WASI_SDFLAGS_RD), __WASI_ERRNO_NOTSUP);
}

void sock_shutdown_not_sock(void) {
    IS(__wasi_sock_shutdown(OUT, __WASI_SDFLAGS_RD), __WASI_ERRNO_NOTSUP);
}

void sock_calls(void) {
    __wasi_iovec_t into = {0, 0};
    __wasi_ciovec_t from = {0, 0};
    __wasi_size_t size;
    __wasi_roflags_t flags;
    __wasi_fd_t fd;
    IS(__wasi_sock_recv(3, &into, 1, 0, &size, &flags), __WASI_ERRNO_NOTSUP);
    IS(__wasi_sock_send(3, &from, 1, 0, &size), __WASI_ERRNO_NOTSUP);
    IS(__wasi_sock_accept(3, 0, &fd), __WASI_ERRNO_NOTSUP);
}
