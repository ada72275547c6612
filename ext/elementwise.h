/* The elementwise instructions: number, name, and element n of the result. All else follows from a
 * row: the number in a program (program.h) and its name in Python, the kernel (elements.inc), its
 * declaration (kernels.h) and its call (program.inc).
 *
 * A row reads the vectors a, b and c and the constants shift_a, shift_b, low and high of an
 * instruction. Elements have type E; U is its unsigned twin, in which sums and shifts wrap. Units past
 * the last one may hold anything, so no value of an operand may be undefined: hence `& 31`. */
#ifndef RNNHW_ELEMENTWISE_H
#define RNNHW_ELEMENTWISE_H

#define RNNHW_ELEMENTWISE(DO)                                                                     \
    DO(RNNHW_ADD, add, ((U)a[n] << shift_a) + ((U)b[n] << shift_b))                               \
    DO(RNNHW_SUBTRACT, subtract, ((U)a[n] << shift_a) - ((U)b[n] << shift_b))                     \
    DO(RNNHW_MULTIPLY, multiply, (U)a[n] * (U)b[n])                                               \
    DO(RNNHW_MULTIPLY_ADD, multiply_add, ((U)a[n] << shift_a) + ((U)b[n] * (U)c[n] << shift_b))   \
    DO(RNNHW_SELECT, select, c[n] >= 0 ? (U)a[n] << shift_a : (U)b[n] << shift_b)                 \
    DO(RNNHW_CLAMP, clamp, a[n] < low ? low : a[n] > high ? high : a[n])                          \
    DO(RNNHW_SHIFT, shift, (U)a[n] << shift_a)                                                    \
    DO(RNNHW_SHIFT_BY, shift_by, (U)a[n] << (b[n] & 31))

#endif
