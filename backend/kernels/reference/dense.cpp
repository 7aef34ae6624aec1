// References of the ops that work on rows: lookups, norms, matmul, rotary embedding, elementwise.
#include "backend/kernels/reference/command.h"

#include <cmath>

namespace vinci::reference {
namespace {

void copyRow(const Elements &to, uint64_t toRow, const Elements &from, int32_t fromRow, uint64_t n,
             uint64_t limit) {
  const bool legal = fromRow >= 0 && static_cast<uint64_t>(fromRow) < limit;
  for (uint64_t i = 0; i < n; ++i)
    to.set(toRow * n + i, legal ? from.get(static_cast<uint64_t>(fromRow) * n + i) : 0.0);
}

/// What the constant `rows` counts.
uint64_t rowsOf(const Command &c) {
  return c.dims[c.spec.rows().symbol] * c.spec.rows().scale;
}

template <typename Function> void binary(const Command &c, Function function) {
  const uint64_t rows =
      c.spec.constants.contains("rows") ? rowsOf(c) : c.tokens() * c.size("rows_per_token");
  for (uint64_t i = 0; i < rows * c.size("n"); ++i)
    c.typed(0).set(i, function(c.typed(1).get(i), c.typed(2).get(i)));
}

/// Row `row` of x times column `column` of a weight [columns, depth] that begins at `base`.
double dot(const Elements &x, uint64_t row, const Elements &weights, uint64_t base,
           uint64_t columns, uint64_t column, uint64_t depth) {
  double sum = 0;
  for (uint64_t k = 0; k < depth; ++k)
    sum += x.get(row * depth + k) * panelValue(weights, base, columns, depth, column, k);
  return sum;
}

} // namespace

void embedding(const Command &c) {
  const int32_t start = c.size("sharded") != 0 ? c.ints(3)[0] : 0;
  const uint64_t hidden = c.size("hidden");
  for (uint64_t t = 0; t < rowsOf(c); ++t) {
    const int64_t place = int64_t{c.ints(1)[t]} - start;
    if (c.size("panels") == 0 || place < 0 || place >= int64_t(c.size("vocab"))) {
      copyRow(c.typed(0), t, c.typed(2), c.ints(1)[t] - start, hidden, c.size("vocab"));
      continue;
    }
    for (uint64_t k = 0; k < hidden; ++k)
      c.typed(0).set(t * hidden + k,
                     panelValue(c.typed(2), 0, c.size("vocab"), hidden, uint64_t(place), k));
  }
}

void gatherRows(const Command &c) {
  for (uint64_t row = 0; row < c.dims[VINCI_DIM_LOGIT_ROWS]; ++row)
    copyRow(c.typed(0), row, c.typed(1), c.ints(2)[row], c.size("n"), c.tokens());
}

void ropeTable(const Command &c) {
  const uint64_t headDim = c.size("head_dim"), half = headDim / 2;
  for (uint64_t t = 0; t < c.tokens(); ++t)
    for (uint64_t i = 0; i < half; ++i) {
      // Hugging Face computes the angle in float32.
      const float angle = static_cast<float>(c.ints(1)[t]) * c.floats(2)[i];
      c.typed(0).set(t * headDim + i, std::cos(double{angle}));
      c.typed(0).set(t * headDim + half + i, std::sin(double{angle}));
    }
}

/// Rotates `heads` heads of each token of `x` by `table`, of the type of the region.
static void rotate(const Command &c, const Elements &out, const Elements &x, const Elements &table,
                   uint64_t heads) {
  const uint64_t headDim = c.size("head_dim"), half = headDim / 2;
  const auto product = [&](double a, double b) { return roundedTo(table.type(), a * b); };
  for (uint64_t t = 0; t < c.tokens(); ++t)
    for (uint64_t head = 0; head < heads; ++head)
      for (uint64_t i = 0; i < half; ++i) {
        const uint64_t low = (t * heads + head) * headDim + i, high = low + half;
        const double cosine = table.get(t * headDim + i);
        const double sine = table.get(t * headDim + half + i);
        const double a = x.get(low), b = x.get(high);
        out.set(low, product(a, cosine) - product(b, sine));
        out.set(high, product(b, cosine) + product(a, sine));
      }
}

void rope(const Command &c) {
  rotate(c, c.typed(0), c.typed(1), c.typed(2, c.spec.dtype("compute")), c.size("heads"));
}

void ropeQk(const Command &c) {
  const Elements table = c.typed(4, c.spec.dtype("compute"));
  rotate(c, c.typed(0), c.typed(2), table, c.size("heads"));
  rotate(c, c.typed(1), c.typed(3), table, c.size("kv_heads"));
}

/// A row of `x`, normalised by the weight in buffer `weightIndex` and the bias, if there is one,
/// behind it.
static std::vector<double> normalised(const Command &c, const Elements &x, uint64_t row,
                                      int weightIndex) {
  const uint64_t n = c.size("n");
  const auto rounded = [region = c.spec.dtype("compute")](double value) {
    return roundedTo(region, value);
  };
  double squares = 0;
  for (uint64_t i = 0; i < n; ++i)
    squares += rounded(std::pow(x.get(row * n + i), 2));
  const double mean = rounded(squares / static_cast<double>(n));
  const double factor = rounded(1 / std::sqrt(rounded(mean + rounded(c.spec.real("eps")))));
  std::vector<double> result(n);
  for (uint64_t i = 0; i < n; ++i)
    result[i] = roundedTo(x.type(), x.get(row * n + i) * factor) * // as HF does
                c.typed(weightIndex).get(i);
  if (c.size("bias") != 0)
    for (uint64_t i = 0; i < n; ++i)
      result[i] = roundedTo(x.type(), result[i]) + c.typed(weightIndex + 1).get(i);
  return result;
}

/// Normalises the rows of `x` into buffer 0.
static void normalise(const Command &c, const Elements &x, int weightIndex) {
  const uint64_t n = c.size("n");
  for (uint64_t row = 0; row < c.rows() * c.size("groups"); ++row) {
    const std::vector<double> values = normalised(c, x, row, weightIndex);
    for (uint64_t i = 0; i < n; ++i)
      c.typed(0).set(row * n + i, values[i]);
  }
}

void rmsNorm(const Command &c) {
  normalise(c, c.typed(1), 2);
}

void addRmsNorm(const Command &c) {
  for (uint64_t i = 0; i < c.rows() * c.size("groups") * c.size("n"); ++i)
    c.typed(1).set(i, c.typed(2).get(i) + c.typed(3).get(i));
  normalise(c, c.typed(1), 4);
}

void rmsNormQuant(const Command &c) {
  Elements x = c.typed(c.index("x"));
  if (c.size("residual") != 0) {
    const Elements sum = c.typed(c.index("sum")), residual = c.typed(c.index("residual"));
    for (uint64_t i = 0; i < c.rows() * c.size("n"); ++i)
      sum.set(i, x.get(i) + residual.get(i));
    x = sum;
  }
  for (uint64_t row = 0; row < c.rows(); ++row)
    quantizeRow(c, row, normalised(c, x, row, c.index("weight")));
}

void matmul(const Command &c) {
  const uint64_t n = c.size("n"), k = c.size("k");
  const bool bias = c.size("bias") != 0;
  for (uint64_t row = 0; row < c.rows(); ++row)
    for (uint64_t column = 0; column < n; ++column)
      c.typed(0, c.spec.dtype("out_dtype"))
          .set(row * n + column, dot(c.typed(1), row, c.typed(2), 0, n, column, k) +
                                     (bias ? c.typed(3).get(column) : 0.0));
}

void joinColumns(const Command &c) {
  const uint64_t n = c.size("n"), part = c.size("part"), rows = c.rows();
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t column = 0; column < n; ++column)
      c.typed(0).set(row * n + column,
                     c.typed(1).get((column / part * rows + row) * part + column % part));
}

/// Calls body(row, product) for the sorted rows; product(column) is of a weight of `n` columns.
template <typename Body> static void forExperts(const Command &c, uint64_t n, Body body) {
  const uint64_t k = c.size("k"), topK = c.size("top_k");
  for (uint64_t expert = 0; expert < c.size("num_experts"); ++expert)
    for (int32_t row = c.ints(3)[expert]; row < c.ints(3)[expert + 1]; ++row) {
      const auto sorted = static_cast<uint64_t>(row);
      const uint64_t source =
          c.size("gather") != 0 ? static_cast<uint64_t>(c.ints(2)[row]) / topK : sorted;
      body(sorted, [&](uint64_t column) {
        return dot(c.typed(1), source, c.typed(4), expert * panelElements(n, k, c.spec.dtype()), n,
                   column, k);
      });
    }
}

void groupedMatmul(const Command &c) {
  const uint64_t n = c.size("n");
  forExperts(c, n, [&](uint64_t row, auto product) {
    for (uint64_t column = 0; column < n; ++column)
      c.typed(0).set(row * n + column, product(column));
  });
}

void groupedMatmulSwiglu(const Command &c) {
  const uint64_t n = c.size("n");
  const DType type = c.spec.dtype();
  forExperts(c, 2 * n, [&](uint64_t row, auto product) {
    for (uint64_t column = 0; column < n; ++column)
      c.typed(0).set(row * n + column, gated(type, roundedTo(type, product(column)),
                                             roundedTo(type, product(n + column))));
  });
}

void add(const Command &c) {
  binary(c, [](double a, double b) { return a + b; });
}

void mul(const Command &c) {
  binary(c, [](double a, double b) { return a * b; });
}

static double sigmoidTimes(double x) {
  return x / (1 + std::exp(-x));
}

void silu(const Command &c) {
  const uint64_t count = c.tokens() * c.size("rows_per_token") * c.size("n");
  for (uint64_t i = 0; i < count; ++i)
    c.typed(0).set(i, sigmoidTimes(c.typed(1).get(i)));
}

double gated(DType type, double gate, double up) {
  return roundedTo(type, sigmoidTimes(gate)) * up;
}

/// Calls body(row, values) with the rows of the gated linear unit.
template <typename Body> static void forGatedRows(const Command &c, Body body) {
  const uint64_t n = c.size("n");
  const bool two = c.size("two_operands") != 0;
  const Elements gate = c.typed(c.index("gate")), up = two ? c.typed(c.index("up")) : gate;
  for (uint64_t row = 0; row < c.tokens() * c.size("rows_per_token"); ++row) {
    std::vector<double> values(n);
    for (uint64_t i = 0; i < n; ++i)
      values[i] = gated(c.spec.dtype(), gate.get(two ? row * n + i : 2 * row * n + i),
                        up.get(two ? row * n + i : (2 * row + 1) * n + i));
    body(row, values);
  }
}

void swiglu(const Command &c) {
  forGatedRows(c, [&](uint64_t row, const std::vector<double> &values) {
    for (uint64_t i = 0; i < values.size(); ++i)
      c.typed(0).set(row * values.size() + i, values[i]);
  });
}

void swigluQuant(const Command &c) {
  forGatedRows(
      c, [&](uint64_t row, const std::vector<double> &values) { quantizeRow(c, row, values); });
}

} // namespace vinci::reference
