/* A network as data, and its run on up to four blocks of sequences: of 16 side by side, or of one
 * alone.
 *
 * A step program knows no cell: it is a list of phases; a phase runs its whole-vector
 * instructions once and then its tile instructions for every tile of units, so that products and
 * the elementwise tail behind them stay in the first-level cache. Products that are faster with
 * more rows run for four tiles ahead. Tiles are words of 32 or 64 bits,
 * as each instruction says; what other tiles, phases or steps read is stored as narrow as its
 * values allow.
 *
 * All lane blocks of a run take a tile before any takes the next: the weights of its rows are read
 * once, and are near where a block reads them again.
 */
#ifndef RNNHW_PROGRAM_H
#define RNNHW_PROGRAM_H

#include "kernels.h"

#define RNNHW_NUMBER(number, name, parameters, arguments, element) number,

enum rnnhw_operation {
    RNNHW_ELEMENTWISE(RNNHW_NUMBER, )
    RNNHW_CAST,         /* dst = a under casts[cast] */
    RNNHW_CAST_IN_WORDS, /* the same in 32-bit words; `low`: nothing can clip */
    RNNHW_LOOKUP,       /* dst = data[data][a & high] */
    RNNHW_LOOKUP_BYTES, /* the same in 32-bit words; data[data] has 256 bytes,
                           `low`: unsigned ones */
    RNNHW_CAST_LOOKUP,  /* dst = a, cast as by finish, then looked up in data[data] at & high, as
                           by lookup_bytes; of a + b where b is a slot */
    RNNHW_FINISH,       /* a, cast under casts[cast] (shift_a: nothing can clip) and looked up in
                           data[data] at & high (-1: in none) as bytes; to dst, less `low` as quads
                           or (shift_b) as int16 pairs, and to b and c; where cast or a slot is
                           none, that is left out */
    RNNHW_GATED_SUM,    /* the sum of `low` products of two factors and, of one, of a; the instructions
                           from `start` on, which no phase has, tell what each factor is (cast_lookup
                           or load) and, behind them, as what the sum ends (finish, cast_lookup, or
                           cast_in_words, to dst and, in 16 bits, to b, where it is a slot); the first
                           product is shifted by shift_b, the other one or a by shift_a */
    RNNHW_FINISH_ROWS,  /* finish of the rows of instruction `start`, which no phase has, in place of
                           those of a: a rows_short, or a rows_diagonal that begins with the words of
                           its `start`, one more, times 2^shift_a; a phase of nothing else takes all
                           tiles at once */
    RNNHW_LOAD,         /* dst = a, stored in `low` bits */
    RNNHW_STORE,        /* dst, stored in `low` bits, = a */
    RNNHW_PACK,         /* packed dst = a */
    RNNHW_PACK_BYTES,   /* quads of bytes dst = a - `low` */
    RNNHW_PACK_STORED,  /* the same of a, stored in 8 bits */
    RNNHW_STAGE,        /* dst = one Hadamard stage of the whole a, which has `low` units */
    RNNHW_ROWS_DIAGONAL, /* dst = b + matrices[rows], a diagonal, times the tile a */
    RNNHW_ROWS_NARROW,  /* dst = b + matrices[rows] times packed a */
    RNNHW_ROWS_BYTES,   /* dst = b + matrices[rows] times quads of bytes a; where c is a slot,
                           + matrices[data] times those of c, whose work counts for instruction
                           `start`, which no phase has */
    RNNHW_ROWS_TILES,   /* the same in 32-bit words, by tiles */
    RNNHW_ROWS_SHORT,   /* the same in 32-bit words, of few quads a row, in each lane block alone */
    RNNHW_ROWS_WIDE,    /* dst = b + matrices[rows] times a */
    RNNHW_ROWS_CAST,    /* dst = b + the products of packed a, each cast; `low`: none can clip */
    RNNHW_ROWS_ORDERED, /* dst = b + matrices[rows] times a, with casts; `low`: 32 bits hold the
                           sums and the terms, 2: and operands, 3: and
                           no product can clip */
    RNNHW_ROWS_ORDERED_NARROW, /* the same for packed a; `low`: no product can clip */
    RNNHW_GATHER,       /* whole: dst = the runs (slot, first unit, units) of data[data], all
                           stored in `low` bits */
    RNNHW_TRANSFORM     /* whole: dst = the Walsh-Hadamard transform of a, stored in `low` bits; where
                           `start` is an instruction, which no phase has, of 8 bits and times
                           data[data], one factor a unit, whose work counts for that one */
};

/* The names of the elementwise instructions in the order of their numbers, which begin at 0; NULL
 * behind the last. */
extern const char *const rnnhw_elementwise_names[];

/* Operands are slot numbers, 0 for none; every field is an int64_t so that a NumPy row is one. */
typedef struct {
    int64_t operation;
    int64_t bits;  /* of the words that it computes in, 32 or 64 */
    int64_t units; /* of a whole-vector instruction */
    int64_t dst, a, b, c;
    int64_t shift_a, shift_b;
    int64_t low, high;
    int64_t data;
    int64_t rows;
    int64_t cast, product, start;    /* indices of casts, -1: none */
    int64_t events, product_events;  /* indices of events */
    int64_t by_lane;                 /* index of constants by lane, -1: none */
} rnnhw_instruction;

/* The constants of an instruction whose lanes have their own, in words of either width, and the modes
 * of its cast: every lane is that of a network of its own. */
typedef struct {
    int64_t rounding, fit;
    int64_t tables; /* whether lanes have tables of their own, one behind the other */
    const rnnhw_lanes32 *narrow;
    const rnnhw_lanes64 *wide;
} rnnhw_by_lane;

/* Instructions first..first+whole once; then, for every four tiles of `units`, ..+ahead (products of
 * bytes) for all four, and ..+tile for one after the other. */
typedef struct {
    int64_t first, whole, ahead, tile, units;
} rnnhw_phase;

/* Where a vector lies: at a step, a tile and a lane block,
 * base + step * step_bytes + tile * tile_bytes + block * block_bytes. */
typedef struct {
    char *base;
    int64_t step_bytes, tile_bytes, block_bytes;
} rnnhw_slot;

/* A state's value before and after the step, stored in `bits`, and its 64-bit initial and final
 * values, [blocks][units][lanes]. */
typedef struct {
    int64_t before, after, units, bits;
    const int64_t *initial;
    int64_t *final;
} rnnhw_state;

/* A sequence of inputs, stored in bytes in slot `from`, that the products of all steps read as quads
 * less `lowest` in slot `to`. */
typedef struct {
    int64_t to, from, lowest, units;
} rnnhw_packed_input;

typedef struct {
    int64_t lanes, tile_units;
    const rnnhw_instruction *instructions;
    int64_t instruction_count;
    const rnnhw_phase *phases;
    int64_t phase_count;
    int64_t prologue; /* phases that run before the first step only, in front of the others */
    int64_t symbol_phases; /* of single steps: those behind that run once a symbol */
    const int64_t *symbol_slots; /* which move on by a step from one symbol to the next */
    int64_t symbol_slot_count;
    rnnhw_slot *slots;
    char **current; /* scratch: the address of every slot at this step, in every lane block */
    int64_t slot_count;
    const int64_t *moving; /* the slots that move on by a step */
    int64_t moving_count;
    const int64_t *swaps; /* pairs of slots that change places after a step */
    int64_t swap_count;
    const rnnhw_packed_input *packed_inputs; /* before the steps of a chunk */
    int64_t packed_input_count;
    const rnnhw_state *states;
    int64_t state_count;
    const rnnhw_cast *casts;
    word_cast *word_casts; /* scratch: the casts in 32-bit words, by instruction */
    const rnnhw_rows *matrices;
    const void *const *data;
    rnnhw_events *events;
    const rnnhw_by_lane *by_lane;
    rnnhw_events (*lane_events)[RNNHW_LANES]; /* of instructions by lane, in place of `events` */
    int64_t *units_done; /* per instruction: elements (or rows) computed for real sequences */
    int64_t *terms_done; /* per instruction: terms added by rows */
} rnnhw_scan;

/* The vectors of a block's steps: element (step, unit, lane), of 8, 16, 32 or 64 bits each. A run
 * goes through time in chunks: the steps `first` to `end` - 1 lie in `data`, and the last `kept` steps
 * of the chunks before lie in front of it. */
typedef struct {
    void *data;
    int64_t bits, units;
    int64_t kept;
    int64_t first, end;
    int64_t lengths[RNNHW_LANES];
} rnnhw_sequence;

enum rnnhw_time_operation {
    RNNHW_SCAN,
    RNNHW_REVERSE,
    RNNHW_WINDOW,
    RNNHW_LAST,
    RNNHW_TOTAL,
    RNNHW_STEPS
};

/* dst = operation(sources); a scan reads and writes them through its slots. */
typedef struct {
    int64_t operation;
    int64_t dst, source;
    int64_t width; /* of a window */
    rnnhw_scan *scan;
} rnnhw_time_node;

/* A result of a run: the vectors of an output or a trace, and where those of every lane's sequence
 * go, [steps, units] in the same bits. They have the steps of the sequence `node`. */
typedef struct {
    int64_t node;
    const char *data;
    int64_t block_bytes;
    int64_t bits, units;
    void *rows[RNNHW_BLOCKS][RNNHW_LANES];
} rnnhw_result;

/* A network on so many lane blocks. Each has `count` + 1 sequences, one block's behind the other's, of
 * which the first takes the inputs [steps, units] of every lane. Sequences have room for `room` steps,
 * which is how many run at once; a network with a node that needs whole sequences has room for those.
 * The additions that totals make for real sequences are added to `total_adds`, one entry a node. */
typedef struct {
    const rnnhw_time_node *nodes;
    int64_t count;
    rnnhw_sequence *sequences;
    rnnhw_result *results;
    int64_t result_count;
    const int64_t *inputs[RNNHW_BLOCKS][RNNHW_LANES];
    int64_t blocks, lanes, room;
    int64_t *total_adds;
} rnnhw_run;

void rnnhw_run_blocks(const rnnhw_kernels *kernels, const rnnhw_run *run);

/* One step of a scan alone, whatever its states hold. Its symbols lie in its input as steps do;
 * `rnnhw_prepare_symbol` is called for each, once. `rnnhw_prepare_step` is called when the states are
 * written to their slots `before`, then `rnnhw_take_step` for every symbol, which leaves the slots
 * `before` as they are and writes those `after`. Bit i of `real` tells whether lane i counts (for
 * events and work); with one lane only bit 0 matters. */
void rnnhw_prepare_symbol(const rnnhw_kernels *kernels, rnnhw_scan *scan, int64_t symbol);
void rnnhw_prepare_step(const rnnhw_kernels *kernels, rnnhw_scan *scan);
void rnnhw_take_step(const rnnhw_kernels *kernels, rnnhw_scan *scan, int64_t symbol, uint32_t real);

#endif
