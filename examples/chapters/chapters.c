// chapters: a splitter that cuts a book where its chapters begin.
//
// In:  stdin    a text; a chapter begins with a line that begins with the word `Chapter` or
//               `CHAPTER` and a space
//      --files  write the chapters to /out, instead of saying where they are
// Out: stdout   for each chapter a line {"offset": …, "length": …, "name": "chapter-001.txt"}; what
//               stands before the first one is `chapter-000.txt`
//
// The chunks are ranges of the input, so nothing is copied, whatever the length of the book.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void fail(const char *message) {
    fprintf(stderr, "%s\n", message);
    exit(1);
}

static char *read_all(size_t *length) {
    size_t capacity = 1 << 16, got;
    char *text = malloc(capacity);
    *length = 0;
    while (text && (got = fread(text + *length, 1, capacity - *length, stdin)) > 0) {
        *length += got;
        if (*length == capacity) text = realloc(text, capacity *= 2);
    }
    if (!text) fail("out of memory: give the job more");
    return text;
}

static int is_heading(const char *line, size_t left) {
    return left > 8 && (!memcmp(line, "CHAPTER ", 8) || !memcmp(line, "Chapter ", 8));
}

static void write_chunk(const char *text, size_t from, size_t to, int chapter, int to_files) {
    char name[32], path[48];
    snprintf(name, sizeof name, "chapter-%03d.txt", chapter);
    if (!to_files) {
        printf("{\"offset\": %zu, \"length\": %zu, \"name\": \"%s\"}\n", from, to - from, name);
        return;
    }
    snprintf(path, sizeof path, "/out/%s", name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(text + from, 1, to - from, file) != to - from || fclose(file))
        fail("could not write to /out: leave --files out");
}

int main(int argc, char **argv) {
    int to_files = argc == 2 && !strcmp(argv[1], "--files");
    if (argc > 1 && !to_files) fail("usage: chapters [--files] < book");

    size_t length, from = 0;
    char *text = read_all(&length);
    int chapter = 0;
    for (size_t at = 0; at < length;) {
        if (is_heading(text + at, length - at)) {
            if (at > from) write_chunk(text, from, at, chapter, to_files);
            chapter++;
            from = at;
        }
        const char *end = memchr(text + at, '\n', length - at);
        at = end ? (size_t)(end - text) + 1 : length;
    }
    if (!chapter) fail("no line begins with the word Chapter: is this a book?");
    write_chunk(text, from, length, chapter, to_files);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
