/* Arguments, environment, clocks, randomness, waiting and ends. */
#include "cases.h"

#include <time.h>
#include <unistd.h>

void args_get_multiple_arguments(void) {
    char *list[4];
    char text[128];
    OK(__wasi_args_get((uint8_t **)list, (uint8_t *)text));
    OK(strcmp(list[0], "guest"));
    OK(strcmp(list[1], "args_get-multiple-arguments"));
    OK(strcmp(list[2], "first"));
    OK(strcmp(list[3], "the \"second\" one"));
    CHECK(list[1] == list[0] + 6);
}

void args_sizes_get_multiple_arguments(void) {
    __wasi_size_t count, bytes;
    OK(__wasi_args_sizes_get(&count, &bytes));
    IS(count, 4);
    IS(bytes, sizeof "guest" + sizeof "args_sizes_get-multiple-arguments" + sizeof "first" +
                  sizeof "the \"second\" one");
}

void environ_get_multiple_variables(void) {
    char *list[2];
    char text[128];
    OK(__wasi_environ_get((uint8_t **)list, (uint8_t *)text));
    OK(strcmp(list[0], "a=text"));
    OK(strcmp(list[1], "b=escap \" ing"));
    OK(strcmp(getenv("a"), "text"));
    CHECK(getenv("PATH") == NULL);
}

void environ_sizes_get_multiple_variables(void) {
    __wasi_size_t count, bytes;
    OK(__wasi_environ_sizes_get(&count, &bytes));
    IS(count, 2);
    IS(bytes, sizeof "a=text" + sizeof "b=escap \" ing");
}

void clock_getres_monotonic(void) {
    struct timespec time;
    OK(clock_getres(CLOCK_MONOTONIC, &time));
    CHECK(time.tv_sec > 0 || time.tv_nsec > 0);
}

void clock_getres_realtime(void) {
    struct timespec time;
    OK(clock_getres(CLOCK_REALTIME, &time));
    CHECK(time.tv_sec > 0 || time.tv_nsec > 0);
}

void clock_gettime_monotonic(void) {
    struct timespec one, two;
    OK(clock_gettime(CLOCK_MONOTONIC, &one));
    OK(clock_gettime(CLOCK_MONOTONIC, &two));
    CHECK(one.tv_sec < two.tv_sec || (one.tv_sec == two.tv_sec && one.tv_nsec < two.tv_nsec));
}

void clock_gettime_realtime(void) {
    struct timespec time;
    OK(clock_gettime(CLOCK_REALTIME, &time));
    IS(time.tv_sec, 1700000000);
}

void clock_time_get(void) {
    __wasi_timestamp_t one, two;
    OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &one));
    /* A precision is a wish, whatever it is. */
    OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, ~0ull, &two));
    CHECK(one <= two);
    OK(__wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &one));
    OK(__wasi_clock_time_get(__WASI_CLOCKID_THREAD_CPUTIME_ID, 0, &one));
    IS(__wasi_clock_time_get(99, 0, &one), __WASI_ERRNO_INVAL);
}

void big_random_buf(void) {
    static uint8_t bytes[64 * 1024];
    OK(__wasi_random_get(bytes, sizeof bytes));
    int seen[256] = {0};
    for (size_t i = 0; i < sizeof bytes; i++) {
        seen[bytes[i]]++;
    }
    for (int i = 0; i < 256; i++) {
        CHECK(seen[i] > 100 && seen[i] < 500);
    }
}

void random_get_zero_length(void) {
    uint8_t byte = 7;
    OK(__wasi_random_get(&byte, 0));
    IS(byte, 7);
}

void random_get_non_zero_length(void) {
    uint8_t one[32] = {0}, two[32] = {0};
    OK(__wasi_random_get(one, sizeof one));
    OK(__wasi_random_get(two, sizeof two));
    CHECK(memcmp(one, two, sizeof one) != 0);
}

void sched_yield_returns(void) {
    OK(__wasi_sched_yield());
}

static __wasi_subscription_t sleep_of(__wasi_timestamp_t ns) {
    __wasi_subscription_t wait;
    memset(&wait, 0, sizeof wait);
    wait.userdata = 0x1234;
    wait.u.tag = __WASI_EVENTTYPE_CLOCK;
    wait.u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
    wait.u.u.clock.timeout = ns;
    return wait;
}

void poll_oneoff_stdio(void) {
    __wasi_subscription_t waits[3];
    __wasi_event_t events[3];
    __wasi_size_t count = 0;
    waits[0] = sleep_of(5000000000ull);
    waits[1] = sleep_of(0);
    waits[1].userdata = 1;
    waits[1].u.tag = __WASI_EVENTTYPE_FD_READ;
    waits[1].u.u.fd_read.file_descriptor = 0;
    waits[2] = waits[1];
    waits[2].userdata = 2;
    waits[2].u.tag = __WASI_EVENTTYPE_FD_WRITE;
    waits[2].u.u.fd_write.file_descriptor = 1;
    OK(__wasi_poll_oneoff(waits, events, 3, &count));
    IS(count, 2);
    IS(events[0].userdata, 1);
    IS(events[0].error, 0);
    IS(events[0].type, __WASI_EVENTTYPE_FD_READ);
    IS(events[0].fd_readwrite.nbytes, 5);
    IS(events[1].userdata, 2);
    IS(events[1].type, __WASI_EVENTTYPE_FD_WRITE);
}

void poll_oneoff_clock(void) {
    __wasi_subscription_t wait = sleep_of(5000000000ull);
    __wasi_event_t event;
    __wasi_size_t count = 0;
    __wasi_timestamp_t before, after;
    OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &before));
    OK(__wasi_poll_oneoff(&wait, &event, 1, &count));
    OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &after));
    IS(count, 1);
    IS(event.userdata, 0x1234);
    IS(event.type, __WASI_EVENTTYPE_CLOCK);
    CHECK(after - before >= 5000000000ull);
    IS(sleep(2), 0);
    wait.u.tag = __WASI_EVENTTYPE_FD_READ;
    wait.u.u.fd_read.file_descriptor = 99;
    OK(__wasi_poll_oneoff(&wait, &event, 1, &count));
    IS(event.error, __WASI_ERRNO_BADF);
    IS(__wasi_poll_oneoff(&wait, &event, 0, &count), __WASI_ERRNO_INVAL);
}

void proc_exit_success(void) {
    __wasi_proc_exit(0);
}

void proc_exit_failure(void) {
    __wasi_proc_exit(33);
}

void fd_write_to_stdout(void) {
    IS(write_some(1, "hello", 5), 5);
    IS(write_some(2, "", 0), 0);
}

void fd_write_to_invalid_fd(void) {
    IS(write_some(-1, "hello", 5), -__WASI_ERRNO_BADF);
    IS(write_some(99, "hello", 5), -__WASI_ERRNO_BADF);
}

void stdio(void) {
    char text[9] = {0};
    IS(read_some(0, text, sizeof text), 5);
    OK(strcmp(text, "input"));
    IS(read_some(0, text, sizeof text), 0);
    for (int fd = 0; fd < 3; fd++) {
        __wasi_fdstat_t state;
        OK(__wasi_fd_fdstat_get(fd, &state));
        CHECK(state.fs_filetype != __WASI_FILETYPE_DIRECTORY);
        int other = fd + 20;
        IS(__wasi_fd_renumber(fd, other), __WASI_ERRNO_BADF);
    }
}

void isatty_of_files(void) {
    make("f", "x");
    int fd = opened(OUT, "f", 0, READ);
    IS(isatty(fd), 0);
    IS(isatty(0), 0);
    IS(isatty(1), 0);
}
