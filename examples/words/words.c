// words: counts the n-grams (runs of n words) of one text.
//
// In:  stdin    a text; a word is a run of ASCII letters, also with an apostrophe between letters
//      --n N    words in a run, 1 to 5 (2 if not given)
// Out: stdout   the header `ngram,count`, then a row for every n-gram, sorted by its bytes
//
// Every n-gram is written, also those that occur once, so that the sums over many texts are exact.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *text;            // not terminated
    uint32_t length, count;      // a count of 0 is a free place
} Ngram;

typedef struct {
    Ngram *places;
    size_t capacity, used;       // the capacity is a power of two
} Table;

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
    if (!text || capacity > UINT32_MAX / 2) fail("the text is too long: split it into parts");
    return text;
}

static int is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Rewrites the text in place as lower-case words, one space after each. Returns the new length.
static size_t keep_words(char *text, size_t length) {
    size_t to = 0;
    for (size_t i = 0; i < length; i++) {
        int more = i + 1 < length && is_letter(text[i + 1]);
        if (is_letter(text[i])) {
            text[to++] = text[i] | 0x20;
            if (!more && !(i + 2 < length && text[i + 1] == '\'' && is_letter(text[i + 2])))
                text[to++] = ' ';
        } else if (text[i] == '\'' && more && i > 0 && is_letter(text[i - 1])) {
            text[to++] = '\'';
        }
    }
    return to;
}

// The place of an n-gram: its own, or the free one where it belongs.
static Ngram *place_of(const Table *t, const char *text, uint32_t length) {
    uint32_t hash = 2166136261u;                       // FNV-1a
    for (uint32_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    for (size_t at = hash;; at++) {
        Ngram *place = &t->places[at & (t->capacity - 1)];
        if (!place->count) return place;
        if (place->length == length && !memcmp(place->text, text, length)) return place;
    }
}

static void grow(Table *t) {
    Table bigger = {.capacity = t->capacity * 2, .used = t->used};
    bigger.places = calloc(bigger.capacity, sizeof *bigger.places);
    if (!bigger.places) fail("out of memory: split the text into parts");
    for (size_t i = 0; i < t->capacity; i++) {
        Ngram *old = &t->places[i];
        if (old->count) *place_of(&bigger, old->text, old->length) = *old;
    }
    free(t->places);
    *t = bigger;
}

static void count(Table *t, const char *text, uint32_t length) {
    if (t->used * 2 >= t->capacity) grow(t);
    Ngram *place = place_of(t, text, length);
    if (!place->count) t->used++;
    *place = (Ngram){text, length, place->count + 1};
}

static int by_bytes(const void *a, const void *b) {
    const Ngram *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static void write_sorted(Table *t) {
    size_t kept = 0;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->places[i].count) t->places[kept++] = t->places[i];
    qsort(t->places, kept, sizeof *t->places, by_bytes);
    puts("ngram,count");
    for (size_t i = 0; i < kept; i++) {
        const Ngram *n = &t->places[i];
        printf("%.*s,%u\n", (int)n->length, n->text, (unsigned)n->count);
    }
}

int main(int argc, char **argv) {
    long n = 2;
    if (argc == 3 && !strcmp(argv[1], "--n")) n = strtol(argv[2], NULL, 10);
    if ((argc != 1 && argc != 3) || n < 1 || n > 5) fail("usage: words [--n 1..5] < text");

    size_t length;
    char *text = read_all(&length);
    length = keep_words(text, length);

    // The last n words are a slice of the text: `starts` remembers where they begin.
    Table table = {.capacity = 1};
    table.places = calloc(1, sizeof *table.places);
    size_t starts[5] = {0}, words = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != ' ') continue;
        words++;
        if (words >= (size_t)n) {
            size_t first = starts[(words - n) % n];
            count(&table, text + first, (uint32_t)(i - first));
        }
        starts[words % n] = i + 1;
    }
    write_sorted(&table);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
