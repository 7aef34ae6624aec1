// RUN: vinci-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{a mesh has an axis of 0; legal are sizes from 1 on, and 65536 ranks in all}}
module attributes {llm.mesh = #llm.mesh<axes = [2, 0]>} {}

// -----

// expected-error@+1 {{a mesh has the data axes [2]; legal are ascending indices of its 2 axes}}
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [2]>} {}

// -----

// expected-error@+1 {{a mesh has no axes; a module for one device has no mesh}}
module attributes {llm.mesh = #llm.mesh<axes = []>} {}

// -----

// expected-error@+1 {{attribute 'llm.mesh' must be #llm.mesh<...>}}
module attributes {llm.mesh = 4} {}

// -----

llm.body @b() {
  // expected-error@+1 {{has a shard over axis 0, but the module has no mesh, or one without axes}}
  %0 = llm.weight @w from "a" [8, 4] rows 4 over [0] : tensor<2x4xf32>
  llm.return
}

// -----

module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b() {
    // expected-error@+1 {{has a shard over axis 1, but the module has a mesh of 1 axes}}
    %0 = llm.weight @w from "a" [8, 4] rows 4 over [1] : tensor<2x4xf32>
    llm.return
  }
}

// -----

module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b() {
    // expected-error@+1 {{has a shard of 3 parts over 4 ranks; the ranks must be a multiple of the parts}}
    %0 = llm.weight @w from "a" [9, 4] rows 3 over [0] : tensor<3x4xf32>
    llm.return
  }
}

// -----

module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b() {
    // expected-error@+1 {{shards experts, but is no stack}}
    %0 = llm.weight @w from "a" [8, 4] experts 4 over [0] : tensor<8x4xf32>
    llm.return
  }
}

// -----

module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b() {
    // expected-error@+1 {{is of shape [3, 4], but its pieces have 2 rows}}
    %0 = llm.weight @w from "a" [8, 4] rows 4 over [0] : tensor<3x4xf32>
    llm.return
  }
}

// -----

llm.body @b() {
  // expected-error@+1 {{is of shape [8, 4], but a rank holds [8, 5] of "a"; rank and columns must be the weight's}}
  %0 = llm.weight @w from "a" [8, 5] : tensor<8x4xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{has several pieces, and "b" has no shape; each piece needs its own}}
  %0 = llm.weight @w from "a" [8, 4], "b" : tensor<16x4xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{a piece has shards, but no shape; the shape of the whole tensor goes before them}}
  %0 = llm.weight @w from "a" rows 2 over [0] : tensor<16x4xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{a piece has two shards of kind rows}}
  %0 = llm.weight @w from "a" [8, 4] rows 2 over [0] rows 2 over [0] : tensor<4x4xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{a piece of rank 1 has no columns to shard}}
  %0 = llm.weight @w from "a" [8] columns 2 over [0] : tensor<4xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{a shard goes over the axes [1, 0]; legal are ascending indices of the mesh's axes}}
  %0 = llm.weight @w from "a" [8, 4] rows 2 over [1, 0] : tensor<4x4xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{a shard has 0 parts; legal are 1 to 65536, and 1 for first_only}}
  %0 = llm.weight @w from "a" [8, 4] rows 0 over [0] : tensor<4x4xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{names 0 equal tensors; legal are 1 and more of a weight that is one whole tensor}}
  %0 = llm.weight @w from "a" equal [] : tensor<1xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{names 1 equal tensors; legal are 1 and more of a weight that is one whole tensor}}
  %0 = llm.weight @w from "a" [1], "b" [1] equal ["c"] : tensor<2xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{names 1 equal tensors; legal are 1 and more of a weight that is one whole tensor}}
  %0 = llm.weight @w from "a.{}" equal ["b.{}"] stack 2 : tensor<2x1x1xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{has the equal tensor ""; legal is the name of another tensor, of a layer if "a" is}}
  %0 = llm.weight @w from "a" equal [""] : tensor<1xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{has the equal tensor "a"; legal is the name of another tensor, of a layer if "a" is}}
  %0 = llm.weight @w from "a" equal ["a"] : tensor<1xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{has the equal tensor "b"; legal is the name of another tensor, of a layer if "{layer}.a" is}}
  %0 = llm.weight @w from "{layer}.a" equal ["b"] : tensor<1xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{has the equal tensor "b.{}"; legal is the name of another tensor, of a layer if "a" is}}
  %0 = llm.weight @w from "a" equal ["b.{}"] : tensor<1xf32>
  llm.return
}
