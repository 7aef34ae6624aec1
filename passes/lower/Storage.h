// Where every value of a model lives in the device program.
//
// Bodies are shared by calls, so a value that goes from call to call lives in one place: body
// arguments, what calls pass as them, body results and what calls return for them are joined into
// classes, each with one storage. Aliases (split_heads, merge_heads) join, too. A class that holds
// a step input, a constant or the logits lives there; any other class is a buffer of the arena.
#pragma once

#include "ir/npu/Npu.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/IntEqClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <vector>

namespace vinci {

/// Names of the program's symbols: `base`, or `base.1`, `base.2`, ... if it is taken.
class NameTable {
public:
  std::string unique(llvm::StringRef base);

private:
  llvm::StringSet<> taken_;
  llvm::StringMap<unsigned> next_; // number to try for a base
};

class Contents;

class Storage {
public:
  struct Location {
    npu::Space space = npu::Space::Arena;
    std::string name;
    mlir::RankedTensorType type;
    mlir::Location loc;
  };

  /// Bodies must be those that the entries call. Fails with a diagnostic if two values that are
  /// alive at the same time would have to share a buffer: nothing in the kernel catalogue copies.
  static mlir::FailureOr<Storage> assign(llvm::ArrayRef<llm::BodyOp> bodies,
                                         llvm::ArrayRef<llm::EntryOp> entries, NameTable &names);

  /// The operand that stands for `value`, a tensor that is no weight.
  npu::OperandAttr operandFor(mlir::Value value) const;

  /// Every location, in the order of the model.
  llvm::ArrayRef<Location> locations() const { return locations_; }

private:
  /// The classes that a body writes.
  using WrittenBy = llvm::DenseMap<mlir::Operation *, llvm::DenseSet<unsigned>>;

  /// What a value says about the location of its class. The highest rank wins; places that are
  /// fixed may not differ.
  struct Claim {
    enum Rank { OpResult, BodyArgument, Fixed } rank;
    npu::Space space;
    std::string name;
  };

  Storage() = default;

  void addValue(mlir::Value value);
  void collect(llvm::ArrayRef<llm::BodyOp> bodies, llvm::ArrayRef<llm::EntryOp> entries);
  mlir::LogicalResult joinValues(mlir::Operation *op, mlir::Value a, mlir::Value b);
  mlir::LogicalResult join(llvm::ArrayRef<llm::EntryOp> entries);
  Claim claim(mlir::Value value, NameTable &names);
  mlir::LogicalResult locate(mlir::Value logits, NameTable &names);
  unsigned classOf(mlir::Value value) const { return classes_[ids_.find(value)->second]; }

  mlir::LogicalResult checkRead(mlir::Operation *op, unsigned index,
                                const Contents &contents) const;
  mlir::LogicalResult checkWrite(mlir::Operation *op, mlir::Value result) const;
  mlir::LogicalResult checkBody(llm::BodyOp body, llvm::DenseSet<unsigned> &written) const;
  mlir::LogicalResult checkEntry(llm::EntryOp entry, const WrittenBy &written) const;

  llvm::MapVector<mlir::Value, unsigned> ids_;
  llvm::IntEqClasses classes_;
  /// Constants of different bodies with one name and value are one.
  llvm::DenseMap<std::pair<mlir::Attribute, mlir::Attribute>, std::string> constantNames_;
  std::vector<Location> locations_; // by class
};

} // namespace vinci
