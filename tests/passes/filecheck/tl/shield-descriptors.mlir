// RUN: helion-opt %s -p shield-descriptors | filecheck %s

// A loop that makes a descriptor has one stage; one that uses a descriptor has those it was given, a static loop none.
tl.func @rows attributes {arg_names = ["x", "n"], arg_exprs = ["x", "n"], constexprs = {}, host = "", options = {}} {
^bb0(%x: !tl.ptr<f32>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  scf.for %i = %c0 to %n step %c1 : i32 {
    %row = tl.addptr %x, %i : !tl.ptr<f32>, i32
    %made = tl.make_tensor_descriptor %row shape(%n, %n : i32, i32) strides(%n, %c1 : i32, i32) : !tl.ptr<f32> -> !tl.tensordesc<#tile.dims<8, 64>, f32>
    %a = tl.descriptor_load %made[%c0, %c0] : !tl.tensordesc<#tile.dims<8, 64>, f32>[i32, i32] -> tensor<8x64xf32>
  } {num_stages = #builtin.int<3>}
  %given = tl.make_tensor_descriptor %x shape(%n, %n : i32, i32) strides(%n, %c1 : i32, i32) : !tl.ptr<f32> -> !tl.tensordesc<#tile.dims<8, 64>, f32>
  scf.for %i = %c0 to %n step %c1 : i32 {
    %b = tl.descriptor_load %given[%i, %c0] : !tl.tensordesc<#tile.dims<8, 64>, f32>[i32, i32] -> tensor<8x64xf32>
  } {num_stages = #builtin.int<3>}
  scf.for %i = %c0 to %n step %c1 : i32 {
    %made = tl.make_tensor_descriptor %x shape(%n, %n : i32, i32) strides(%n, %c1 : i32, i32) : !tl.ptr<f32> -> !tl.tensordesc<#tile.dims<8, 64>, f32>
  } {static}
  tl.return
} grid {
^bb0(%x: !tl.ptr<f32>, %n: i32):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// CHECK:       tl.make_tensor_descriptor
// CHECK:       } {num_stages = #builtin.int<1>}
// CHECK:       } {num_stages = #builtin.int<3>}
// CHECK:       } {static}
