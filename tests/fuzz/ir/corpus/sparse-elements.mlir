// passes: lower-to-npu
llm.body @b() {
  %c = llm.constant @c sparse<[[0]], 3> : tensor<3xf32>
}
