/* The kernels of the engine: one table of functions for each instruction set.
 *
 * Vectors lie in lane blocks: element (unit, lane) at [unit * lanes + lane], with 16 lanes (16
 * sequences side by side) or 1 lane (one sequence; units take the place of lanes). Elementwise
 * kernels see neither: they walk chunks of 16 elements. They compute in words of int32_t or
 * int64_t; all arithmetic is modulo the word, and the plan proves that exact results fit. What
 * outlives a tile is stored in the narrowest of 8, 16, 32 and 64 bits that its values need.
 */
#ifndef RNNHW_KERNELS_H
#define RNNHW_KERNELS_H

#include "elementwise.h"
#include "word_cast.h"

#include <stddef.h>
#include <stdint.h>

enum { RNNHW_CHUNK = 16, RNNHW_LANES = 16, RNNHW_TILE = 512 /* elements, at most */ };

enum { RNNHW_BLOCKS = 4 /* lane blocks that run side by side, at most */ };

/* Which of 16 neighbouring elements are real: for all chunks but the last, and for the last. */
typedef struct {
    int32_t all[RNNHW_CHUNK];
    int32_t last[RNNHW_CHUNK];
    int alike; /* whether both are the same */
} rnnhw_mask;

/* Elements clipped high, clipped low, wrapped. */
typedef int64_t rnnhw_events[3];

enum { RNNHW_MOST_PAIRS = 4 }; /* of a row whose loop over them is unrolled */

/* The rows of a matrix: row r adds `count[r]` weights times operands from column `first[r]` on.
 * `weights[offset[r]...]` are stored in units of `group` columns (2 for int16 pairs): first and
 * the stored length are multiples of it, padded with zeros; `terms[r]` counts the real ones.
 * Rows may overlap where they share weights. Where the columns are scattered, unit k of the
 * weights belongs to column `columns[k]` and those behind it in the unit; else it is NULL.
 * With one lane and `interleaved`, 16 rows of equal extent are stored column by column.
 * Where `pairs` is not 0, all rows have so many pairs of neighbouring columns, 1 to
 * RNNHW_MOST_PAIRS, with the weights of one row behind those of the row before.
 *
 * With one lane int16 weights may take two other forms, both of neighbouring rows side by side:
 * `taps`: row r reads columns r + first[0] on, of which those outside the vector meet zeros; 16
 * rows are stored tap by tap, each weight in the lower half of 32 bits. `paired`: row r reads the
 * two columns from first[r] on, which the next row of the same half of the rows follow.
 *
 * Where `correction` is not NULL the weights are signed bytes against unsigned ones. Blocks of 16
 * rows, the last filled up with zeros, read the same quads of columns, from first[r] on: at
 * offset[r] lie count[r] / 4 quads of 16 rows, [quad][row][4]. `depth` quads in a row add up in
 * 16 bits (all of them in 32); weights that would leave 16 bits lie in quads behind those of the
 * block, extra[r / 16] to extra[r / 16 + 1] of all, each for columns extra_columns[..] on and added
 * by itself.
 * For products by tiles such blocks lie as [64 columns][row][64] instead (tiles.inc).
 * A row begins with its `correction`, which undoes the offset that made the vector unsigned.
 *
 * Where `windows` is not 0, a narrow window of columns moves with the row (windows.inc). With 16 lanes
 * four rows from r on read so many quads, from column r + first[0] on, [four rows][quad][row][4]; with one
 * lane row r reads as many windows of four columns, from r + first[0] on, of 16 rows
 * [window][row][4]. Columns outside the vector meet zeros.
 */
typedef struct {
    const int32_t *first;
    const int32_t *count;
    const int32_t *terms;
    const int64_t *offset;
    const void *weights;
    const int32_t *columns;
    int64_t interleaved, pairs, taps, paired;
    const int32_t *correction, *extra_columns;
    const int64_t *extra, *terms_before; /* the real terms of all rows in front of each */
    int64_t depth;
    int64_t windows;
    int64_t alike; /* all blocks read the same columns, and have no quads behind them */
    int64_t chunk; /* columns that 32-bit partial sums hold, where the element is wider */
} rnnhw_rows;

/* Where the elements of a vector lie in the 64-bit words of a key: unit u in word words[u], from bit
 * shifts[u] on, as its raw integer less `least`. */
typedef struct {
    int64_t bits; /* of a stored element of the vector */
    int64_t units, width, least;
    const int64_t *words, *shifts;
} rnnhw_fields;

/* The end of a step in one pass: words are cast (where `to` is not NULL), looked up in a table of 256 bytes (`looks_up`), and written: as words again where `words` is not
 * NULL (`is_unsigned`: from 0 to 255), else as bytes, in the order of the words, to those of `stored`
 * that are not NULL, and as products read them: as quads less `lowest` to `packed`, as int16 pairs to
 * `pairs`, where these are not NULL. */
typedef struct {
    const word_cast *to;
    int looks_up, address_mask, lowest, is_unsigned;
    const int8_t *table; /* 256 bytes in any case */
    uint8_t *packed;
    int16_t *pairs;
    int8_t *stored[2];
    int32_t *words;
} rnnhw_finish;

enum rnnhw_factor_kind { RNNHW_FACTOR_WORDS, RNNHW_FACTOR_STORED8, RNNHW_FACTOR_STORED16, RNNHW_FACTOR_GATE };

/* A vector that is multiplied: words, stored bytes or 16 bits, or a gate, words (with `also`, where it
 * is not NULL, added) under a cast that saturates and a table of bytes. */
typedef struct {
    enum rnnhw_factor_kind kind;
    const void *from;
    const int32_t *also;
    const word_cast *to;
    const int8_t *table;
    int address_mask, is_unsigned;
    int64_t *events;
} rnnhw_factor;

/* term << shift_term (where it is not NULL) + the sum of one or two products of two factors << shifts,
 * cast as it saturates, and kept: as `end` says, or (`in_words`) as words to `dst` and in 16 bits to
 * `stored`, where these are not NULL. */
typedef struct {
    rnnhw_factor factors[4];
    int64_t products;
    int shifts[2], shift_term, in_words;
    const int32_t *term;
    rnnhw_finish end;
    int32_t *dst;
    int16_t *stored;
    int64_t *events;
} rnnhw_gated;

/* A matrix and its vectors, for products of bytes: that of a lane block lies `next` bytes behind that
 * of the block before. The sums of one or two are added in one pass. */
typedef struct {
    const rnnhw_rows *rows;
    const uint8_t *vector;
    int64_t next;
} rnnhw_bytes;

/* One or two products of bytes with few quads a row, of one lane block: rows from `row` on, a multiple
 * of 16, whose sums begin with the words `start` (NULL: with zeros). Where `factors` is not NULL, a sum
 * is shifted left by `shift` and added to the factor of its row times a word of `x`: with one lane factors
 * are filled up to a multiple of 16. */
typedef struct {
    rnnhw_bytes products[2];
    int64_t count, row;
    const int32_t *start, *factors, *x;
    int shift;
} rnnhw_short;

/* The lane blocks of a product of bytes, which read its weights once, and the bytes from the words of
 * one to those of the next. */
typedef struct {
    int64_t count, dst, start;
} rnnhw_blocks;

/* Constants of an instruction that every lane has its own of. A cast drops `right` bits or appends
 * `left`; `half` is that of the dropped ones (the least number that rounds up where none is dropped),
 * `low_bits` masks them. The limits are those of the value before zeros are appended, `spare` the bits
 * of a word that a format has not, `keep` what is left of them where it has no sign. `table` is where
 * the entries of a lane begin, `high` masks addresses. */
#define RNNHW_LANE_CONSTANTS(E)                                                                   \
    {                                                                                             \
        E shift_a[RNNHW_LANES], shift_b[RNNHW_LANES], low[RNNHW_LANES], high[RNNHW_LANES];        \
        E right[RNNHW_LANES], left[RNNHW_LANES], half[RNNHW_LANES], low_bits[RNNHW_LANES];        \
        E limit_low[RNNHW_LANES], limit_high[RNNHW_LANES], lowest[RNNHW_LANES], max[RNNHW_LANES]; \
        E spare[RNNHW_LANES], keep[RNNHW_LANES], table[RNNHW_LANES];                              \
    }

typedef struct RNNHW_LANE_CONSTANTS(int32_t) rnnhw_lanes32;
typedef struct RNNHW_LANE_CONSTANTS(int64_t) rnnhw_lanes64;

/* Beside the modes of a format: the rounding of casts by lane that adds `half`, which the plan proves
 * not to leave the word (none where bits are cut off), and the fit of those that nothing can leave. */
enum { RNNHW_ADD_HALF = 8, RNNHW_NEVER_CLIPS = 8 };

/* Casts in words of 32 bits by lane whose rounding adds `half`, and which saturate or never clip. */
enum { RNNHW_CASTS = 1, RNNHW_CASTS_PROVEN = 2 };

enum { RNNHW_OWN_TABLES = 2 };

/* Kernels that act on elements of one type; `E` is int32_t or int64_t behind the void pointers
 * of the program, spelled out here. Rows kernels add to `start` (NULL: to zero), which is not
 * `dst`, and return the terms that they added; of products of bytes the caller knows them. */
#define RNNHW_ELEMENT_KERNELS(E)                                                                  \
    void (*lookup)(E * dst, const E *a, const E *table, E address_mask, int64_t chunks);          \
    void (*cast)(E * dst, const E *a, const rnnhw_cast *to, int64_t chunks,                       \
                 const rnnhw_mask *mask, int64_t *events);                                        \
    void (*load)(E * dst, const void *stored, int64_t bits, int64_t chunks);                      \
    void (*store)(void *stored, int64_t bits, const E *a, int64_t chunks);                        \
    void (*pack)(int16_t * dst, const E *a, int64_t units, int64_t lanes);                        \
    void (*pack_bytes)(uint8_t * dst, const E *a, int64_t lowest, int64_t units, int64_t lanes);  \
    void (*pack_stored)(uint8_t * dst, const int8_t *stored, int64_t lowest, int64_t units,       \
                        int64_t lanes);                                                           \
    void (*transform)(E * dst, const void *stored, int64_t bits, const E *factors, int64_t units, \
                      int64_t lanes);                                                             \
    void (*stage)(E * dst, const E *a, int64_t units, int64_t row, int64_t rows, int64_t lanes);  \
    int64_t (*rows_diagonal)(E * dst, const E *start, const rnnhw_rows *m, const E *x,            \
                             int64_t row, int64_t rows, int64_t lanes);                           \
    int64_t (*rows_narrow)(E * dst, const E *start, const rnnhw_rows *m, const int16_t *x,        \
                           int64_t row, int64_t rows, int64_t lanes);                             \
    void (*rows_bytes)(E * dst, const E *start, const rnnhw_bytes *products, int64_t count,       \
                       const rnnhw_blocks *blocks, int64_t row, int64_t rows, int64_t lanes);     \
    int64_t (*rows_wide)(E * dst, const E *start, const rnnhw_rows *m, const E *x, int64_t row,   \
                         int64_t rows, int64_t lanes);                                            \
    int64_t (*rows_cast)(E * dst, const E *start, const rnnhw_rows *m, const int16_t *x,          \
                         const rnnhw_cast *product, int proven, int64_t row, int64_t rows,        \
                         int64_t lanes, const rnnhw_mask *mask, int64_t *product_events);         \
    int64_t (*rows_ordered)(E * dst, const rnnhw_rows *m, const E *x, const E *start,             \
                            const rnnhw_cast *start_cast, const rnnhw_cast *product,              \
                            const rnnhw_cast *accumulator, int words, int shift_sum,              \
                            int shift_term, int64_t row, int64_t rows, int64_t lanes,             \
                            const rnnhw_mask *mask, int64_t *product_events,                      \
                            int64_t *sum_events);                                                 \
    int64_t (*rows_ordered_narrow)(E * dst, const rnnhw_rows *m, const int16_t *x,                \
                                   const E *start, const rnnhw_cast *start_cast,                  \
                                   const rnnhw_cast *product, int proven,                         \
                                   const rnnhw_cast *accumulator, int shift_term, int64_t row,    \
                                   int64_t rows, int64_t lanes, const rnnhw_mask *mask,           \
                                   int64_t *product_events, int64_t *sum_events);
/* Kernels whose constants are those of each lane (by_lane.inc); `lanes_E` are they. */
#define RNNHW_LANE_KERNELS(E, lanes_E)                                                            \
    void (*lookup_by_lane)(E * dst, const E *a, const E *tables, const lanes_E *of,               \
                           int64_t chunks);                                                       \
    void (*cast_by_lane)(E * dst, const E *a, const lanes_E *of, int rounding, int fit,           \
                         int64_t chunks, const rnnhw_mask *mask, rnnhw_events *events);

/* An elementwise kernel, and the one whose constants are those of each lane. */
#define RNNHW_KERNEL_32(number, name, parameters, arguments, element)                             \
    void (*name)(int32_t * dst, RNNHW_ENTRIES parameters, int64_t chunks);                        \
    void (*name##_by_lane)(int32_t * dst, const int32_t *a, const int32_t *b, const int32_t *c,   \
                           const rnnhw_lanes32 *of, int64_t chunks);
#define RNNHW_KERNEL_64(number, name, parameters, arguments, element)                             \
    void (*name)(int64_t * dst, RNNHW_ENTRIES parameters, int64_t chunks);                        \
    void (*name##_by_lane)(int64_t * dst, const int64_t *a, const int64_t *b, const int64_t *c,   \
                           const rnnhw_lanes64 *of, int64_t chunks);

typedef struct {
    RNNHW_ELEMENTWISE(RNNHW_KERNEL_32, int32_t)
    RNNHW_ELEMENT_KERNELS(int32_t)
    RNNHW_LANE_KERNELS(int32_t, rnnhw_lanes32)
} rnnhw_kernels32;

typedef struct {
    RNNHW_ELEMENTWISE(RNNHW_KERNEL_64, int64_t)
    RNNHW_ELEMENT_KERNELS(int64_t)
    RNNHW_LANE_KERNELS(int64_t, rnnhw_lanes64)
} rnnhw_kernels64;

/* The steps of one product; the weights of a second block of 16 rows lie `below` bytes behind those of
 * the first, and the vector of a second lane block `next` bytes behind that of the first. */
typedef struct {
    const int8_t *weights;
    const uint8_t *x;
    int64_t below, next, steps;
} rnnhw_tile_run;

enum {
    RNNHW_TILE_STEP = 1024, /* bytes of either operand of a step of tiles */
    RNNHW_TILE_SUMS = RNNHW_LANES * RNNHW_LANES
};

/* Products of bytes by tiles of 16 rows, 64 columns and 16 lanes (tiles.inc). A run of rows stands
 * between enter and leave, in one thread. */
typedef struct {
    void (*enter)(void);
    void (*leave)(void);
    void (*rows)(int32_t *dst, const int32_t *start, const rnnhw_bytes *products, int64_t count,
                 const rnnhw_blocks *blocks, int64_t row, int64_t rows);
} rnnhw_tiles;

typedef struct {
    const char *name;
    int byte_sums; /* bits in which sums of products of bytes stay until they are widened */
    int byte_offset; /* what products of bytes take away from every byte of a vector; the sums of rows
                        begin with so many times their weights more */
    int prefers_tiles, prefers_short;
    const rnnhw_tiles *tiles; /* NULL: it runs no plan that has them */
    rnnhw_kernels32 narrow;
    rnnhw_kernels64 wide;
    /* Element (unit, lane) of 16 lanes, stored in `bits`, to rows[lane][unit] of the same type,
     * for lanes that are `real`. */
    void (*part)(void *const *rows, const int32_t *real, const void *block, int64_t bits,
                 int64_t units);
    /* As the narrow `lookup` in a table of 256 bytes, from -128 to 127 or, unsigned, from 0 to 255;
     * `address_mask` is below 256. */
    void (*lookup_bytes)(int32_t *dst, const int32_t *a, const int8_t *table, int address_mask,
                         int is_unsigned, int64_t chunks);
    /* As the narrow `cast` where no value plus what rounding adds leaves 32 bits, for formats of
     * up to 31 bits that drop 0 to 30. */
    void (*cast_in_words)(int32_t *dst, const int32_t *a, const word_cast *to, int64_t chunks,
                          const rnnhw_mask *mask, int64_t *events);
    /* Of a or, where `also` is not NULL, of a + also. */
    void (*finish)(const rnnhw_finish *f, const int32_t *a, const int32_t *also, int64_t chunks,
                   int64_t lanes, const rnnhw_mask *mask, int64_t *events);
    void (*gated_sum)(const rnnhw_gated *g, int64_t chunks, int64_t lanes, const rnnhw_mask *mask);
    /* The words of so many chunks of rows, and the same through `finish`, which stay in registers: `f`
     * has a cast. NULL: it runs no plan that has them. */
    void (*rows_short)(int32_t *dst, const rnnhw_short *rows, int64_t chunks, int64_t lanes);
    void (*finish_rows)(const rnnhw_finish *f, const rnnhw_short *rows, int64_t chunks,
                        int64_t lanes, const rnnhw_mask *mask, int64_t *events);
    /* `finish` by lane, with one of the `casts` or none; addresses have the masks of `of`, and where it
     * looks up in RNNHW_OWN_TABLES the table holds 256 bytes of every lane, one behind the other. */
    void (*finish_by_lane)(const rnnhw_finish *f, const int32_t *a, const rnnhw_lanes32 *of,
                           int casts, int64_t chunks, const rnnhw_mask *mask,
                           rnnhw_events *events);
    /* One of the `casts`. */
    void (*cast_in_words_by_lane)(int32_t *dst, const int32_t *a, const rnnhw_lanes32 *of, int casts,
                                  int64_t chunks, const rnnhw_mask *mask, rnnhw_events *events);
    /* A vector of 16 lanes from 16 keys [words][16], and into words that are zero there. */
    void (*get_fields)(void *vector, const rnnhw_fields *f, const uint64_t *block);
    void (*put_fields)(uint64_t *block, const rnnhw_fields *f, const void *vector);
} rnnhw_kernels;

/* Whether kernels of AMX are built: the compiler knows it, and the system is one that can be asked
 * for its registers. */
#if defined(__x86_64__) && defined(__linux__) && defined(__has_include)
#if __has_include(<amxint8intrin.h>)
#define RNNHW_AMX
extern const rnnhw_tiles rnnhw_tiles_amx;
extern const rnnhw_kernels rnnhw_kernels_amx;
#endif
#endif

extern const rnnhw_tiles rnnhw_tiles_plain;
extern const rnnhw_kernels rnnhw_kernels_plain;
extern const rnnhw_kernels rnnhw_kernels_avx2;
extern const rnnhw_kernels rnnhw_kernels_avx512;
extern const rnnhw_kernels rnnhw_kernels_neon;
extern const rnnhw_kernels rnnhw_kernels_dotprod;

/* The instruction sets in ascending order; `index` past the end gives NULL. */
const rnnhw_kernels *rnnhw_built(int index);

/* Whether this processor runs them. */
int rnnhw_supported(int index);

#endif
