#include "ir/llm/Locations.h"

#include "mlir/IR/BuiltinAttributes.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace mlir;

namespace vinci::llm {

FileLineColLoc fileLocation(Location location) {
  FileLineColLoc found;
  location->walk([&](Location part) {
    found = dyn_cast<FileLineColLoc>(part);
    return found ? WalkResult::interrupt() : WalkResult::advance();
  });
  return found;
}

std::string locationText(Location location) {
  const FileLineColLoc file = fileLocation(location);
  if (!file)
    return {};
  return (file.getFilename().getValue() + ":" + llvm::Twine(file.getLine()) + ":" +
          llvm::Twine(file.getColumn()))
      .str();
}

namespace {

/// The pass of a location that madeOf or addedBy gave; null for any other.
StringAttr passOf(Location location) {
  auto fused = dyn_cast<FusedLoc>(location);
  return fused ? dyn_cast_if_present<StringAttr>(fused.getMetadata()) : StringAttr();
}

/// The part of a fused location that stands for an op; null for any other.
NameLoc opPart(Location location) {
  auto name = dyn_cast<NameLoc>(location);
  return name && name.getName().getValue().starts_with("llm.") ? name : NameLoc();
}

/// `budget` bounds the ops of all levels: in text from strangers, locations that share their parts
/// can stand for any number of them.
Origin readOrigin(StringRef op, Location location, unsigned &budget) {
  Origin origin;
  origin.op = op.str();
  origin.location = locationText(location);
  Location own = location;
  if (StringAttr pass = passOf(location)) {
    origin.pass = pass.str();
    for (Location part : cast<FusedLoc>(location).getLocations())
      if (NameLoc name = opPart(part); !name)
        own = part;
      else if (budget > 0)
        origin.of.push_back(readOrigin(name.getName().strref(), name.getChildLoc(), --budget));
  }
  if (auto role = dyn_cast<NameLoc>(own))
    origin.role = role.getName().str();
  // What took something in is still what it was.
  const auto same = [&](const Origin &part) { return part.op == origin.op; };
  if (llvm::count_if(origin.of, same) == 1)
    origin.role = llvm::find_if(origin.of, same)->role;
  return origin;
}

} // namespace

Location madeOf(StringRef pass, ArrayRef<Operation *> ops) {
  MLIRContext *context = ops.front()->getContext();
  auto metadata = StringAttr::get(context, pass);
  SmallVector<Location> parts;
  for (Operation *op : ops)
    if (passOf(op->getLoc()) == metadata)
      llvm::append_range(parts, cast<FusedLoc>(op->getLoc()).getLocations());
    else
      parts.push_back(NameLoc::get(op->getName().getIdentifier(), op->getLoc()));
  return FusedLoc::get(parts, metadata, context);
}

Location addedBy(StringRef pass, Location location) {
  return FusedLoc::get({location}, StringAttr::get(location.getContext(), pass),
                       location.getContext());
}

Origin originOf(StringRef op, Location location) {
  unsigned budget = 1000;
  return readOrigin(op, location, budget);
}

} // namespace vinci::llm
