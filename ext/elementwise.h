/* The elementwise instructions: number, name, what the kernel takes between its result and the number
 * of chunks, and element n of the result. All else follows from a row: the number in a program
 * (program.h) and its name in Python, the kernel (elements.inc), its declaration (kernels.h) and its
 * call (program.inc).
 *
 * A kernel takes vectors a, b and c and constants shift_a, shift_b, low and high of an instruction.
 * Elements have type E; U is its unsigned twin, in which sums and shifts wrap. Units past the last one
 * may hold anything, so a shift by elements is limited. */
#ifndef RNNHW_ELEMENTWISE_H
#define RNNHW_ELEMENTWISE_H

#define RNNHW_ELEMENTWISE(DO, E)                                                                  \
    DO(RNNHW_ADD, add, (const E *a, const E *b, int shift_a, int shift_b),                        \
       (a, b, shift_a, shift_b), ((U)a[n] << shift_a) + ((U)b[n] << shift_b))                     \
    DO(RNNHW_SUBTRACT, subtract, (const E *a, const E *b, int shift_a, int shift_b),              \
       (a, b, shift_a, shift_b), ((U)a[n] << shift_a) - ((U)b[n] << shift_b))                     \
    DO(RNNHW_MULTIPLY, multiply, (const E *a, const E *b), (a, b), (U)a[n] * (U)b[n])             \
    DO(RNNHW_MULTIPLY_ADD, multiply_add,                                                          \
       (const E *a, const E *b, const E *c, int shift_a, int shift_b),                            \
       (a, b, c, shift_a, shift_b), ((U)a[n] << shift_a) + ((U)b[n] * (U)c[n] << shift_b))        \
    DO(RNNHW_SELECT, select,                                                                      \
       (const E *c, const E *a, const E *b, int shift_a, int shift_b),                            \
       (c, a, b, shift_a, shift_b),                                                               \
       c[n] >= 0 ? (E)((U)a[n] << shift_a) : (E)((U)b[n] << shift_b))                             \
    DO(RNNHW_CLAMP, clamp, (const E *a, E low, E high), (a, low, high),                           \
       a[n] < low ? low : a[n] > high ? high : a[n])                                              \
    DO(RNNHW_SHIFT, shift, (const E *a, int shift_a), (a, shift_a), (U)a[n] << shift_a)           \
    DO(RNNHW_SHIFT_BY, shift_by, (const E *a, const E *b), (a, b), (U)a[n] << (b[n] & 31))

/* The entries of a list in parentheses: RNNHW_ENTRIES (a, b). */
#define RNNHW_ENTRIES(...) __VA_ARGS__

#endif
