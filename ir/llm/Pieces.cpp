#include "ir/llm/Pieces.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;

namespace vinci::llm {

//===- #llm.mesh, #llm.shard ------------------------------------------------------------------===//

using EmitError = function_ref<InFlightDiagnostic()>;

/// As many ranks as a plan can have.
static constexpr int64_t maxRanks = 65536;

int64_t MeshAttr::getRanks() const {
  int64_t ranks = 1;
  for (int64_t size : getAxes())
    ranks *= size;
  return ranks;
}

int64_t MeshAttr::getSize(ArrayRef<int64_t> axes) const {
  int64_t size = 1;
  for (int64_t axis : axes)
    size *= getAxes()[axis];
  return size;
}

SmallVector<int64_t, 2> MeshAttr::getGroupAxes() const {
  SmallVector<int64_t, 2> axes;
  for (int64_t axis = 0; axis < int64_t(getAxes().size()); ++axis)
    if (!llvm::is_contained(getData(), axis))
      axes.push_back(axis);
  return axes;
}

int64_t MeshAttr::getIndex(ArrayRef<int64_t> axes, int64_t rank) const {
  int64_t index = 0, size = 1;
  for (int64_t axis = getAxes().size() - 1; axis >= 0; --axis) {
    const int64_t place = rank % getAxes()[axis];
    rank /= getAxes()[axis];
    if (!llvm::is_contained(axes, axis))
      continue;
    index += place * size;
    size *= getAxes()[axis];
  }
  return index;
}

LogicalResult MeshAttr::verify(EmitError emitError, ArrayRef<int64_t> axes,
                               ArrayRef<int64_t> data) {
  int64_t ranks = 1;
  if (axes.empty())
    return emitError() << "a mesh has no axes; a module for one device has no mesh";
  for (int64_t size : axes) {
    if (size < 1 || size > maxRanks / ranks)
      return emitError() << "a mesh has an axis of " << size << "; legal are sizes from 1 on, and "
                         << maxRanks << " ranks in all";
    ranks *= size;
  }
  if (!data.empty() && (data.front() < 0 || data.back() >= int64_t(axes.size()) ||
                        !llvm::is_sorted(data, std::less_equal<>())))
    return emitError() << "a mesh has the data axes [" << data
                       << "]; legal are ascending indices of its " << axes.size() << " axes";
  return success();
}

LogicalResult ShardAttr::verify(EmitError emitError, ShardKind kind, int64_t parts,
                                ArrayRef<int64_t> axes) {
  if (axes.empty() || axes.front() < 0 || !llvm::is_sorted(axes, std::less_equal<>()))
    return emitError() << "a shard goes over the axes [" << axes
                       << "]; legal are ascending indices of the mesh's axes";
  if (parts < 1 || parts > maxRanks || (kind == ShardKind::FirstOnly && parts != 1))
    return emitError() << "a shard has " << parts << " parts; legal are 1 to " << maxRanks
                       << ", and 1 for first_only";
  return success();
}

//===- #llm.piece -----------------------------------------------------------------------------===//

static ParseResult parseShards(AsmParser &parser, SmallVectorImpl<ShardAttr> &shards) {
  StringRef keyword;
  while (succeeded(
      parser.parseOptionalKeyword(&keyword, {"rows", "columns", "experts", "first_only"}))) {
    const ShardKind kind = *symbolizeShardKind(keyword);
    int64_t parts = 1;
    SMLoc loc = parser.getCurrentLocation();
    if (kind != ShardKind::FirstOnly && parser.parseInteger(parts))
      return failure();
    if (parser.parseKeyword("over"))
      return failure();
    FailureOr<SmallVector<int64_t>> axes = parseIntList(parser);
    if (failed(axes))
      return failure();
    auto report = [&] { return InFlightDiagnostic(parser.emitError(loc)); };
    auto shard = ShardAttr::getChecked(EmitError(report), parser.getContext(), kind, parts,
                                       ArrayRef<int64_t>(*axes));
    if (!shard)
      return failure();
    shards.push_back(shard);
  }
  return success();
}

static ParseResult parsePiece(AsmParser &parser, PieceAttr &piece) {
  std::string source;
  SmallVector<int64_t> shape;
  SmallVector<ShardAttr> shards;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseString(&source))
    return failure();
  auto parseSize = [&] { return parser.parseInteger(shape.emplace_back()); };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::OptionalSquare, parseSize) ||
      parseShards(parser, shards))
    return failure();
  auto report = [&] { return InFlightDiagnostic(parser.emitError(loc)); };
  piece = PieceAttr::getChecked(EmitError(report), parser.getContext(),
                                parser.getBuilder().getStringAttr(source), ArrayRef<int64_t>(shape),
                                ArrayRef<ShardAttr>(shards));
  return success(bool(piece));
}

static void printPiece(AsmPrinter &printer, PieceAttr piece) {
  printer << piece.getSource();
  if (!piece.getShape().empty()) {
    printer << " ";
    printIntList(printer, piece.getShape());
  }
  for (ShardAttr shard : piece.getShards()) {
    printer << " " << stringifyShardKind(shard.getKind());
    if (shard.getKind() != ShardKind::FirstOnly)
      printer << " " << shard.getParts();
    printer << " over ";
    printIntList(printer, shard.getAxes());
  }
}

Attribute PieceAttr::parse(AsmParser &parser, Type) {
  PieceAttr piece;
  if (parser.parseLess() || parsePiece(parser, piece) || parser.parseGreater())
    return {};
  return piece;
}

void PieceAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printPiece(printer, *this);
  printer << ">";
}

LogicalResult PieceAttr::verify(EmitError emitError, StringAttr, ArrayRef<int64_t> shape,
                                ArrayRef<ShardAttr> shards) {
  if (!shards.empty() && shape.empty())
    return emitError() << "a piece has shards, but no shape; the shape of the whole tensor goes "
                          "before them";
  if (shape.size() > 2)
    return emitError() << "a piece is of rank " << shape.size() << "; legal are [n] and [n, k]";
  for (int64_t size : shape)
    if (size < 1 || size > maxDimension)
      return emitError() << "a piece has a dimension of " << size << "; legal are 1 to "
                         << maxDimension;
  for (auto [index, shard] : llvm::enumerate(shards)) {
    for (ShardAttr other : shards.take_front(index))
      if (other.getKind() == shard.getKind())
        return emitError() << "a piece has two shards of kind "
                           << stringifyShardKind(shard.getKind());
    if (shard.getKind() == ShardKind::Columns && shape.size() != 2)
      return emitError() << "a piece of rank 1 has no columns to shard";
  }
  return success();
}

ParseResult parsePieces(AsmParser &parser, ArrayAttr &pieces) {
  SmallVector<Attribute> list;
  auto parseElement = [&]() -> ParseResult {
    PieceAttr piece;
    if (parsePiece(parser, piece))
      return failure();
    list.push_back(piece);
    return success();
  };
  if (parser.parseCommaSeparatedList(parseElement))
    return failure();
  pieces = parser.getBuilder().getArrayAttr(list);
  return success();
}

void printPieces(AsmPrinter &printer, Operation *, ArrayAttr pieces) {
  llvm::interleaveComma(pieces.getAsRange<PieceAttr>(), printer,
                        [&](PieceAttr piece) { printPiece(printer, piece); });
}

//===- Shapes ---------------------------------------------------------------------------------===//

SmallVector<int64_t> checkpointShape(PieceAttr piece, RankedTensorType type, bool stacked) {
  ArrayRef<int64_t> shape = piece.getShape();
  if (shape.empty())
    shape = type.getShape().drop_front(stacked ? 1 : 0);
  return SmallVector<int64_t>(shape);
}

SmallVector<int64_t> localShape(PieceAttr piece, RankedTensorType type, bool stacked) {
  SmallVector<int64_t> shape = checkpointShape(piece, type, stacked);
  for (ShardAttr shard : piece.getShards()) {
    if (shard.getKind() == ShardKind::Stack || shard.getKind() == ShardKind::FirstOnly)
      continue;
    int64_t &size = shape[shard.getKind() == ShardKind::Rows ? 0 : 1];
    size = (size + shard.getParts() - 1) / shard.getParts();
  }
  return shape;
}

int64_t stackSize(PieceAttr piece, int64_t count) {
  for (ShardAttr shard : piece.getShards())
    if (shard.getKind() == ShardKind::Stack)
      return count * shard.getParts();
  return count;
}

//===- Verification ---------------------------------------------------------------------------===//

static LogicalResult verifyShards(Operation *op, PieceAttr piece, bool stacked) {
  for (ShardAttr shard : piece.getShards()) {
    MeshAttr mesh = findMesh(op);
    const int64_t last = shard.getAxes().back();
    if (!mesh || last >= int64_t(mesh.getAxes().size()))
      return op->emitOpError() << "has a shard over axis " << last << ", but the module "
                               << (mesh ? "has a mesh of " + std::to_string(mesh.getAxes().size())
                                        : std::string("has no mesh, or one without"))
                               << " axes";
    if (const int64_t size = mesh.getSize(shard.getAxes()); size % shard.getParts() != 0)
      return op->emitOpError() << "has a shard of " << shard.getParts() << " parts over " << size
                               << " ranks; the ranks must be a multiple of the parts";
    if (shard.getKind() == ShardKind::Stack && !stacked)
      return op->emitOpError() << "shards experts, but is no stack";
  }
  return success();
}

LogicalResult verifyPieces(Operation *op, ArrayAttr pieces, std::optional<int64_t> stack,
                           RankedTensorType type) {
  if (pieces.empty())
    return op->emitOpError() << "has no piece; a weight comes from one checkpoint tensor at least";
  const int64_t rank = type.getRank() - (stack ? 1 : 0);
  if (rank < 1 || rank > 2 || (stack && rank != 2))
    return op->emitOpError() << "is of shape " << shapeString(type)
                             << "; legal are [n], [n, k], and [stack, n, k] for a stack";
  if (stack && type.getDimSize(0) != *stack)
    return op->emitOpError() << "stacks " << *stack << " tensors, but its first dimension is "
                             << type.getDimSize(0);
  ArrayRef<int64_t> whole = type.getShape().drop_front(stack ? 1 : 0);
  int64_t rows = 0;
  for (PieceAttr piece : pieces.getAsRange<PieceAttr>()) {
    if (pieces.size() > 1 && piece.getShape().empty())
      return op->emitOpError() << "has several pieces, and " << piece.getSource()
                               << " has no shape; each piece needs its own";
    if (failed(verifyShards(op, piece, stack.has_value())))
      return failure();
    SmallVector<int64_t> shape = localShape(piece, type, stack.has_value());
    if (shape.size() != whole.size() || (rank == 2 && shape[1] != whole[1]))
      return op->emitOpError() << "is of shape " << shapeString(type) << ", but a rank holds ["
                               << shape << "] of " << piece.getSource()
                               << "; rank and columns must be the weight's";
    rows += shape[0];
  }
  if (rows != whole[0])
    return op->emitOpError() << "is of shape " << shapeString(type) << ", but its pieces have "
                             << rows << " rows";
  return success();
}

LogicalResult verifyEqual(Operation *op, std::optional<ArrayAttr> equal, ArrayAttr pieces,
                          std::optional<int64_t> stack) {
  if (!equal)
    return success();
  auto first = cast<PieceAttr>(pieces[0]);
  if (equal->empty() || stack || pieces.size() != 1 || !first.getShards().empty())
    return op->emitOpError() << "names " << equal->size() << " equal tensors; legal are 1 and more "
                             << "of a weight that is one whole tensor";
  const StringRef layer = "{layer}";
  for (StringRef name : equal->getAsValueRange<StringAttr>())
    if (name.empty() || name.count(layer) != first.getSource().strref().count(layer) ||
        name.count('{') != name.count(layer) || name == first.getSource())
      return op->emitOpError() << "has the equal tensor \"" << name
                               << "\"; legal is the name of another tensor, of a layer if "
                               << first.getSource() << " is";
  return success();
}

} // namespace vinci::llm
