/* Runs the case that the first argument names. */
#include "cases.h"

#define CASE(function, name, status) void function(void);
#include "cases.def"
#undef CASE

static const struct {
    const char *name;
    void (*function)(void);
} CASES[] = {
#define CASE(function, name, status) {name, function},
#include "cases.def"
#undef CASE
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof CASES / sizeof *CASES; i++) {
        if (strcmp(CASES[i].name, argv[1]) == 0) {
            CASES[i].function();
            return 0;
        }
    }
    fprintf(stderr, "there is no such case\n");
    return 99;
}
