// cells: finds bright cells in one tile of a grey picture.
//
// In:  stdin    a binary PGM (P5), 8 bits, with the comment that the tile splitter writes:
//               # medusa tile x=96 y=0 core=96,0,96,96 picture=512x512
//               The tile is its core grown by the overlap and clipped at the picture's border;
//               cores partition the picture. Without the comment the tile is the whole picture.
// Out: /out/cells.csv      one row for each cell whose first pixel lies in the core
//      /out/outlined.ppm   the core, with the outlines of all its cells coloured
//      stdout              `cells,<number of rows>`
// Exit: 0 result, 1 bad input or arguments, 2 the overlap is too small for this picture.
//
// The result never depends on the tiling: all arithmetic is on integers, a pixel depends only on
// pixels at most REACH away, and where a cell that reaches into the core may go on beyond what this
// tile knows for certain, the tile is refused (exit 2), never guessed at.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEARCH = 5,        // denoising compares a pixel with all pixels at most this far away ...
    PATCH = 1,         // ... by the squares of this radius around the two
    LOCAL = 12,        // the background is the mean over a square of this radius
    REACH = SEARCH + PATCH + LOCAL,
    LIKENESS = 9216,   // patches whose squared differences add up to this much weigh nothing
    GREYS = 16,        // denoised values are in sixteenths of a grey level
    SIDE_MAX = 16384,
};

static const uint8_t OUTLINE[3] = {255, 176, 64};

typedef struct {
    int x, y, w, h;
} Rect;

typedef struct {
    Rect tile, core;             // in picture coordinates
    int picture_w, picture_h;
    uint8_t *grey;               // tile.w * tile.h
} Tile;

typedef struct {
    int threshold, min_area, brighten;
} Options;

// A connected component, with sums in picture coordinates.
typedef struct {
    int x, y;                    // first pixel in raster order
    uint64_t area, grey, sum_x, sum_y;
    int in_core, open;           // has pixels in the core; may go on beyond the tile
} Cell;

static _Noreturn void fail(int code, const char *message) {
    fprintf(stderr, "%s\n", message);
    exit(code);
}

static void *allocate(size_t count, size_t size) {
    void *p = calloc(count, size);
    if (!p) fail(1, "out of memory: use smaller tiles");
    return p;
}

static int clamp(int v, int high) {
    return v < 0 ? 0 : v > high ? high : v;
}

static int contains(Rect r, int x, int y) {
    return x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h;
}

static int within(Rect inner, Rect outer) {
    return inner.w > 0 && inner.h > 0 && contains(outer, inner.x, inner.y) &&
           contains(outer, inner.x + inner.w - 1, inner.y + inner.h - 1);
}

// ---- input ------------------------------------------------------------------------------------

static void read_comment(Tile *t, const char *line) {
    if (strncmp(line, " medusa tile ", 13)) return;
    int n = sscanf(line + 13, "x=%6d y=%6d core=%6d,%6d,%6d,%6d picture=%6dx%6d", &t->tile.x,
                   &t->tile.y, &t->core.x, &t->core.y, &t->core.w, &t->core.h, &t->picture_w,
                   &t->picture_h);
    if (n != 8 || t->picture_w < 1) fail(1, "the tile comment of the picture is damaged");
}

// The next whole number of the header. A tile comment on the way is noted in `t`.
static int header_number(Tile *t) {
    int c = getchar();
    while (c == '#' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        if (c == '#') {
            char line[200] = "";
            if (!fgets(line, sizeof line, stdin)) break;
            read_comment(t, line);
            while (!strchr(line, '\n') && fgets(line, sizeof line, stdin)) {
            }
        }
        c = getchar();
    }
    int value = 0, digits = 0;
    for (; c >= '0' && c <= '9' && digits < 6; c = getchar(), digits++)
        value = value * 10 + c - '0';
    if (!digits || digits == 6) fail(1, "the header of the picture is damaged");
    ungetc(c, stdin);
    return value;
}

static Tile read_tile(void) {
    Tile t = {0};
    if (getchar() != 'P' || getchar() != '5') fail(1, "the input is not a binary PGM picture (P5)");
    t.tile.w = header_number(&t);
    t.tile.h = header_number(&t);
    int greys = header_number(&t);
    getchar();                   // the one white space before the pixels
    if (greys != 255) fail(1, "the picture must have 8 bits a pixel");
    if (t.tile.w < 1 || t.tile.h < 1 || t.tile.w > SIDE_MAX || t.tile.h > SIDE_MAX)
        fail(1, "the picture must have 1 to 16384 pixels on each side");
    if (!t.picture_w) {          // no comment: the tile is the whole picture
        t.core = t.tile;
        t.picture_w = t.tile.w;
        t.picture_h = t.tile.h;
    }
    if (!within(t.tile, (Rect){0, 0, t.picture_w, t.picture_h}) || !within(t.core, t.tile))
        fail(1, "the core must lie in the tile, and the tile in the picture");
    size_t pixels = (size_t)t.tile.w * t.tile.h;
    t.grey = allocate(pixels, 1);
    if (fread(t.grey, 1, pixels, stdin) != pixels) fail(1, "the picture ends too early");
    return t;
}

static Options read_options(int argc, char **argv) {
    Options o = {.threshold = 6, .min_area = 40};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--brighten")) {
            o.brighten = 1;
            continue;
        }
        int *to = !strcmp(argv[i], "--threshold")  ? &o.threshold
                  : !strcmp(argv[i], "--min-area") ? &o.min_area
                                                   : NULL;
        char *end = "?";
        if (to && i + 1 < argc) *to = (int)strtol(argv[++i], &end, 10);
        if (*end || *to < 0 || *to > 1000000)
            fail(1, "usage: cells [--threshold GREYS] [--min-area PIXELS] [--brighten] < tile.pgm");
    }
    return o;
}

// ---- pixels -----------------------------------------------------------------------------------

// Denoises by non-local means: each pixel becomes the mean of the pixels around it, weighted by how
// much their surroundings are like its own. Beyond the border the nearest pixel is repeated.
static uint16_t *denoise(const Tile *t) {
    const int w = t->tile.w, h = t->tile.h, margin = SEARCH + PATCH, stride = w + 2 * margin;
    uint8_t *padded = allocate((size_t)stride * (h + 2 * margin), 1);
    for (int y = 0; y < h + 2 * margin; y++)
        for (int x = 0; x < stride; x++)
            padded[(size_t)y * stride + x] =
                t->grey[(size_t)clamp(y - margin, h - 1) * w + clamp(x - margin, w - 1)];

    uint16_t *smooth = allocate((size_t)w * h, sizeof *smooth);
    uint32_t *sum = allocate(w, sizeof *sum), *weights = allocate(w, sizeof *weights);
    for (int y = 0; y < h; y++) {
        const uint8_t *here = padded + (size_t)(y + margin) * stride + margin;
        memset(sum, 0, w * sizeof *sum);
        memset(weights, 0, w * sizeof *weights);
        for (int dy = -SEARCH; dy <= SEARCH; dy++)
            for (int dx = -SEARCH; dx <= SEARCH; dx++) {
                const uint8_t *there = here + dy * stride + dx;
                for (int x = 0; x < w; x++) {
                    int unlike = 0;
                    for (int py = -PATCH; py <= PATCH; py++)
                        for (int px = -PATCH; px <= PATCH; px++) {
                            int d = here[x + py * stride + px] - there[x + py * stride + px];
                            unlike += d * d;
                        }
                    uint32_t like = unlike < LIKENESS ? LIKENESS - unlike : 0;
                    uint32_t weight = like * like >> 10;
                    sum[x] += weight * there[x];
                    weights[x] += weight;
                }
            }
        for (int x = 0; x < w; x++)
            smooth[(size_t)y * w + x] = (uint16_t)((uint64_t)sum[x] * GREYS / weights[x]);
    }
    free(padded);
    free(sum);
    free(weights);
    return smooth;
}

// Marks the pixels that are brighter than their surroundings by more than the threshold.
static uint8_t *bright(const Tile *t, const uint16_t *smooth, int threshold) {
    const int w = t->tile.w, h = t->tile.h, side = 2 * LOCAL + 1;
    uint8_t *marks = allocate((size_t)w * h, 1);
    uint32_t *column = allocate(w, sizeof *column);
    for (int y = 0; y < h; y++) {
        memset(column, 0, w * sizeof *column);
        for (int dy = -LOCAL; dy <= LOCAL; dy++) {
            const uint16_t *row = smooth + (size_t)clamp(y + dy, h - 1) * w;
            for (int x = 0; x < w; x++) column[x] += row[x];
        }
        for (int x = 0; x < w; x++) {
            int64_t around = 0;
            for (int dx = -LOCAL; dx <= LOCAL; dx++) around += column[clamp(x + dx, w - 1)];
            int64_t above = (int64_t)smooth[(size_t)y * w + x] * side * side - around;
            marks[(size_t)y * w + x] = above > (int64_t)threshold * GREYS * side * side;
        }
    }
    free(column);
    return marks;
}

// ---- cells ------------------------------------------------------------------------------------

// The part of the tile that is the same in the whole picture: all but REACH pixels at each side
// that is not the picture's own border.
static Rect certain(const Tile *t) {
    int left = t->tile.x ? REACH : 0, top = t->tile.y ? REACH : 0;
    int right = t->tile.x + t->tile.w < t->picture_w ? REACH : 0;
    int bottom = t->tile.y + t->tile.h < t->picture_h ? REACH : 0;
    return (Rect){t->tile.x + left, t->tile.y + top, t->tile.w - left - right,
                  t->tile.h - top - bottom};
}

// Whether the neighbours of a pixel may be cell pixels that this tile knows nothing certain about.
static int at_frontier(const Tile *t, Rect sure, int x, int y) {
    return (x == sure.x && x > 0) || (y == sure.y && y > 0) ||
           (x == sure.x + sure.w - 1 && x < t->picture_w - 1) ||
           (y == sure.y + sure.h - 1 && y < t->picture_h - 1);
}

// Labels one 8-connected component and measures it. Its pixels are listed in `queue`.
static Cell fill(const Tile *t, Rect sure, uint8_t *marks, int32_t *labels, int32_t *queue,
                 int32_t start, int32_t label) {
    const int w = t->tile.w;
    Cell cell = {.x = start % w + t->tile.x, .y = start / w + t->tile.y};
    uint64_t found = 0;
    queue[found++] = start;
    marks[start] = 0;
    for (; cell.area < found; cell.area++) {
        int32_t at = queue[cell.area];
        int x = at % w + t->tile.x, y = at / w + t->tile.y;
        labels[at] = label;
        cell.grey += t->grey[at];
        cell.sum_x += x;
        cell.sum_y += y;
        cell.in_core |= contains(t->core, x, y);
        cell.open |= at_frontier(t, sure, x, y);
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                int32_t next = at + dy * w + dx;
                if (!contains(sure, x + dx, y + dy) || !marks[next]) continue;
                marks[next] = 0;
                queue[found++] = next;
            }
    }
    return cell;
}

static _Noreturn void fail_overlap(const Tile *t) {
    int left = t->core.x - t->tile.x, right = t->tile.x + t->tile.w - t->core.x - t->core.w;
    int top = t->core.y - t->tile.y, bottom = t->tile.y + t->tile.h - t->core.y - t->core.h;
    int overlap = left > right ? left : right;
    if (top > overlap) overlap = top;
    if (bottom > overlap) overlap = bottom;
    fprintf(stderr, "a cell is larger than the overlap of %d pixels: use a larger overlap\n",
            overlap);
    exit(2);
}

// Writes `sum / count` with two decimals, rounded half up.
static void write_ratio(FILE *f, uint64_t sum, uint64_t count, char end) {
    uint64_t hundredths = (200 * sum + count) / (2 * count);
    fprintf(f, "%u.%02u%c", (unsigned)(hundredths / 100), (unsigned)(hundredths % 100), end);
}

static void write_row(FILE *csv, const Cell *c) {
    fprintf(csv, "%d,%d,%u,", c->y, c->x, (unsigned)c->area);
    write_ratio(csv, c->grey, c->area, ',');
    write_ratio(csv, c->sum_y, c->area, ',');
    write_ratio(csv, c->sum_x, c->area, '\n');
}

// Writes a row for each cell that the core owns, and returns the labels of all pixels: 0 for the
// background and for specks, one positive number for all pixels of a cell.
static int32_t *label_cells(const Tile *t, uint8_t *marks, int min_area, FILE *csv, int *owned) {
    const size_t pixels = (size_t)t->tile.w * t->tile.h;
    const Rect sure = certain(t);
    if (!within(t->core, sure)) fail_overlap(t);
    int32_t *labels = allocate(pixels, sizeof *labels), *queue = allocate(pixels, sizeof *queue);
    int32_t last = 0;
    fputs("y,x,area,mean,cy,cx\n", csv);
    for (int y = sure.y; y < sure.y + sure.h; y++)
        for (int x = sure.x; x < sure.x + sure.w; x++) {
            int32_t at = (y - t->tile.y) * t->tile.w + x - t->tile.x;
            if (!marks[at]) continue;
            Cell cell = fill(t, sure, marks, labels, queue, at, ++last);
            if (cell.in_core && cell.open) fail_overlap(t);
            if (cell.area < (uint64_t)min_area) {
                for (uint64_t i = 0; i < cell.area; i++) labels[queue[i]] = 0;
            } else if (contains(t->core, cell.x, cell.y)) {
                write_row(csv, &cell);
                ++*owned;
            }
        }
    free(queue);
    return labels;
}

// A pixel is on an outline when one of its four neighbours is not of the same cell, or is missing.
static int on_outline(const Tile *t, const int32_t *labels, int x, int y) {
    static const int STEPS[4][2] = {{0, -1}, {-1, 0}, {1, 0}, {0, 1}};
    int32_t own = labels[(size_t)y * t->tile.w + x];
    if (!own) return 0;
    for (int i = 0; i < 4; i++) {
        int nx = x + STEPS[i][0], ny = y + STEPS[i][1];
        if (nx < 0 || ny < 0 || nx >= t->tile.w || ny >= t->tile.h) return 1;
        if (labels[(size_t)ny * t->tile.w + nx] != own) return 1;
    }
    return 0;
}

static void write_outlined(const Tile *t, const int32_t *labels, int brighten, FILE *ppm) {
    uint8_t shown[256];
    for (int grey = 0, root = 0; grey < 256; grey++) {
        while ((root + 1) * (root + 1) <= grey * 255) root++;
        shown[grey] = (uint8_t)(brighten ? root : grey);
    }
    fprintf(ppm, "P6\n%d %d\n255\n", t->core.w, t->core.h);
    for (int y = t->core.y - t->tile.y, i = 0; i < t->core.h; i++, y++)
        for (int x = t->core.x - t->tile.x, j = 0; j < t->core.w; j++, x++) {
            uint8_t grey = shown[t->grey[(size_t)y * t->tile.w + x]];
            const uint8_t plain[3] = {grey, grey, grey};
            fwrite(on_outline(t, labels, x, y) ? OUTLINE : plain, 1, 3, ppm);
        }
}

static FILE *create(const char *path) {
    FILE *f = fopen(path, "wb");
    if (!f) fail(1, "could not create a file in /out");
    return f;
}

static void finish(FILE *f) {
    if (ferror(f) || fclose(f)) fail(1, "could not write a file in /out");
}

int main(int argc, char **argv) {
    Options options = read_options(argc, argv);
    Tile tile = read_tile();
    uint16_t *smooth = denoise(&tile);
    uint8_t *marks = bright(&tile, smooth, options.threshold);

    int owned = 0;
    FILE *csv = create("/out/cells.csv");
    int32_t *labels = label_cells(&tile, marks, options.min_area, csv, &owned);
    finish(csv);
    FILE *ppm = create("/out/outlined.ppm");
    write_outlined(&tile, labels, options.brighten, ppm);
    finish(ppm);
    printf("cells,%d\n", owned);
    return fflush(stdout) ? 1 : 0;
}
