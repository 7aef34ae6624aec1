/* The calling convention between a plan's kernels and whoever runs them. Plain C: it is compiled
 * into the kernel bitcode as well as into the runtime.
 *
 * A kernel computes one tile of one command. It reads and writes only through `buffers`, keeps no
 * state, allocates nothing, calls nothing, and may run concurrently with other tiles of the same
 * command. The order and the meaning of `buffers` is the kernel's entry in the catalogue
 * (backend/kernels/README.md); shapes that are constants of the model are compiled into the kernel,
 * the rest comes in `dims`.
 */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Index into `dims`: the symbolic dimensions of a step. Values match `Symbol` of plan.fbs. */
enum VinciDim {
  VINCI_DIM_ONE = 0,          /* always 1 */
  VINCI_DIM_TOKENS = 1,       /* tokens of this step over all sequences */
  VINCI_DIM_SEQUENCES = 2,    /* sequences of this step */
  VINCI_DIM_LOGIT_ROWS = 3,   /* rows that logits are computed for */
  VINCI_DIM_TOKEN_SHARES = 4, /* a rank's share of the tokens, where ranks divide them */
  VINCI_DIM_COUNT = 5
};

/* buffers: resolved addresses, outputs first, then inputs, 64-byte aligned.
 * dims:    VINCI_DIM_COUNT values.
 * tile:    0 <= tile < tiles of the command, see TileRule in plan.fbs: row block = tile / columns,
 *          column = tile % columns. */
typedef void (*VinciKernel)(void *const *buffers, const uint64_t *dims, uint32_t tile);

#ifdef __cplusplus
}
#endif
