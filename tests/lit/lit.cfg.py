# lit: every .mlir and .test file below this folder is a test; its RUN lines say how.
#
# In RUN lines: vinci-opt and vinci are those of the build, FileCheck, not and split-file those of LLVM, %s is the test
# itself, %t a scratch path of its own, %models the models folder of the repository.
import os

import lit.formats

config.name = "vinci"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.environment["PATH"] = os.pathsep.join(
    [config.vinci_bin, config.llvm_bin, os.environ.get("PATH", "")])
config.substitutions.append(
    ("%models", os.path.normpath(os.path.join(config.test_source_root, "..", "..", "models"))))
