//! Operators of `com.microsoft` on numbers that can be followed by hand.

use crate::testing::{all_errors_of, graph_of, outputs_of};
use expect_test::expect;

const HEADER: &str = "<ir_version: 9, opset_import: [\"\" : 17, \"com.microsoft\" : 1]>";

/// What statements over declared constants give as `r`.
#[track_caller]
fn values(cases: &[(&str, &str)]) -> String {
    let line = |(constants, body): &(&str, &str)| {
        let model = format!("{HEADER} g () => (float[] r) <{constants}> {{ {body} }}");
        format!("{body}\n{}", outputs_of(&model).replace("r: ", "    "))
    };
    cases.iter().map(line).collect()
}

#[test]
fn activations() {
    let x = "float[1,4] x = {-1, 0, 1, 2}, float[4] b = {1, 0, 0, 0}, float[4] zero = {0, 0, 0, 0}";
    let cases = [
        (x, "r = com.microsoft.Gelu(x)"),
        (x, "r = com.microsoft.BiasGelu(x, b)"),
        (x, "r = com.microsoft.FastGelu(x)"),
        (x, "r = com.microsoft.FastGelu(x, b)"),
        (x, "r = com.microsoft.QuickGelu <alpha = 0.0> (x)"),
        (x, "r = com.microsoft.BiasSplitGelu(x, zero)"),
        (x, "r = com.microsoft.BiasAdd(x, b, x)"),
    ];
    expect![[r#"
        r = com.microsoft.Gelu(x)
            f32[1,4] {-0.158655, 0.0, 0.841345, 1.9545}
        r = com.microsoft.BiasGelu(x, b)
            f32[1,4] {0.0, 0.0, 0.841345, 1.9545}
        r = com.microsoft.FastGelu(x)
            f32[1,4] {-0.158808, 0.0, 0.841192, 1.9546}
        r = com.microsoft.FastGelu(x, b)
            f32[1,4] {0.0, 0.0, 0.841192, 1.9546}
        r = com.microsoft.QuickGelu <alpha = 0.0> (x)
            f32[1,4] {-0.5, 0.0, 0.5, 1.0}
        r = com.microsoft.BiasSplitGelu(x, zero)
            f32[1,2] {-0.841345, 0.0}
        r = com.microsoft.BiasAdd(x, b, x)
            f32[1,4] {-1.0, 0.0, 2.0, 4.0}
    "#]]
    .assert_eq(&values(&cases));
}

/// Rows 3, 4 and 1, 1 have the root mean squares √12.5 and 1.
#[test]
fn normalisations() {
    let x = "float[2,2] x = {3, 4, 1, 1}, float[2] g = {1, 2}, float[2] b = {0, 10}, float[2] bias = {1, 1},
             float[2,2] skip = {1, 1, 2, 2}, int32[1,2] ids = {1, 0}, float[2,2] words = {0, 2, 4, 0},
             float[3,2] places = {0, 0, 1, 1, 9, 9}, float[1,2] segments = {1, 0}, int32[1,2] zeros = {0, 0}";
    let cases = [
        (x, "r = SimplifiedLayerNormalization <epsilon = 0.0> (x, g)"),
        (x, "r = com.microsoft.LayerNormalization <epsilon = 0.0> (x, g, b)"),
        (x, "r = com.microsoft.SkipLayerNormalization <epsilon = 1.0> (x, skip, g, b, bias)"),
        (x, "a, , , r = com.microsoft.SkipLayerNormalization(x, skip, g, b, bias)"),
        (x, "r = com.microsoft.SkipSimplifiedLayerNormalization(x, x, g)"),
        (x, "r = com.microsoft.EmbedLayerNormalization(ids, zeros, words, places, segments, g, b)"),
        (x, "a, r = com.microsoft.EmbedLayerNormalization(ids, , words, places, , g, b, ids)"),
    ];
    expect![[r#"
        r = SimplifiedLayerNormalization <epsilon = 0.0> (x, g)
            f32[2,2] {0.848528, 2.26274, 1.0, 2.0}
        r = com.microsoft.LayerNormalization <epsilon = 0.0> (x, g, b)
            f32[2,2] {-1.0, 12.0, NaN, NaN}
        r = com.microsoft.SkipLayerNormalization <epsilon = 1.0> (x, skip, g, b, bias)
            f32[2,2] {-0.447214, 10.8944, 0.0, 10.0}
        a, , , r = com.microsoft.SkipLayerNormalization(x, skip, g, b, bias)
            f32[2,2] {5.0, 6.0, 4.0, 4.0}
        r = com.microsoft.SkipSimplifiedLayerNormalization(x, x, g)
            f32[2,2] {0.848528, 2.26274, 1.0, 2.0}
        r = com.microsoft.EmbedLayerNormalization(ids, zeros, words, places, segments, g, b)
            f32[1,2,2] {1.0, 8.0, -1.0, 12.0}
        a, r = com.microsoft.EmbedLayerNormalization(ids, , words, places, , g, b, ids)
            i32[1] {1}
    "#]]
    .assert_eq(&values(&cases));
}

/// Groups of one channel hold 1, 3 and 2, 6: each is -1, 1 before scale and bias.
#[test]
fn group_normalisations() {
    let x = "float[1,2,1,2] x = {1, 2, 3, 6}, float[1,2,2,1] planes = {1, 3, 2, 6}, float[2] g = {1, 2},
             float[2] b = {0, 10}, float[1,2] skip = {5, 5}, float[2] none = {0, 0}";
    let cases = [
        (x, "r = com.microsoft.GroupNorm <epsilon = 0.0, groups = 2, activation = 0> (x, g, b)"),
        (
            x,
            "r = com.microsoft.GroupNorm <epsilon = 0.0, groups = 2, activation = 1, channels_last = 0> (planes, g, none)",
        ),
        (x, "r = com.microsoft.SkipGroupNorm <epsilon = 0.0, groups = 2, activation = 0> (x, g, b, skip, g)"),
        (x, "a, r = com.microsoft.SkipGroupNorm <groups = 1, activation = 0> (x, g, b, skip, g)"),
    ];
    expect![[r#"
        r = com.microsoft.GroupNorm <epsilon = 0.0, groups = 2, activation = 0> (x, g, b)
            f32[1,2,1,2] {-1.0, 8.0, 1.0, 12.0}
        r = com.microsoft.GroupNorm <epsilon = 0.0, groups = 2, activation = 1, channels_last = 0> (planes, g, none)
            f32[1,2,2,1] {-0.268941, 0.731059, -0.238406, 1.76159}
        r = com.microsoft.SkipGroupNorm <epsilon = 0.0, groups = 2, activation = 0> (x, g, b, skip, g)
            f32[1,2,1,2] {-1.0, 8.0, 1.0, 12.0}
        a, r = com.microsoft.SkipGroupNorm <groups = 1, activation = 0> (x, g, b, skip, g)
            f32[1,2,1,2] {7.0, 9.0, 9.0, 13.0}
    "#]].assert_eq(&values(&cases));
}

#[test]
fn products() {
    let x = "float[1,2] x = {1, 2}, float[2,2] m = {1, 2, 3, 4}, float[2] b = {-20, 1},
             float[2,1,2] stack = {1, 2, 3, 4}";
    let cases = [
        (x, "r = com.microsoft.FusedMatMul <transB = 1, alpha = 10.0> (x, m)"),
        (x, "r = com.microsoft.FusedMatMul <transA = 1> (m, m)"),
        (x, "r = com.microsoft.FusedMatMul <transBatchA = 1> (stack, m)"),
        (x, "r = com.microsoft.FusedGemm <activation = \"Relu\"> (x, m, b)"),
        (x, "r = com.microsoft.FusedGemm <activation = \"LeakyRelu\", activation_alpha = 0.5> (x, m, b)"),
        (x, "r = com.microsoft.GemmFastGelu(x, m, b)"),
    ];
    expect![[r#"
        r = com.microsoft.FusedMatMul <transB = 1, alpha = 10.0> (x, m)
            f32[1,2] {50.0, 110.0}
        r = com.microsoft.FusedMatMul <transA = 1> (m, m)
            f32[2,2] {10.0, 14.0, 14.0, 20.0}
        r = com.microsoft.FusedMatMul <transBatchA = 1> (stack, m)
            f32[1,2,2] {7.0, 10.0, 15.0, 22.0}
        r = com.microsoft.FusedGemm <activation = "Relu"> (x, m, b)
            f32[1,2] {0.0, 11.0}
        r = com.microsoft.FusedGemm <activation = "LeakyRelu", activation_alpha = 0.5> (x, m, b)
            f32[1,2] {-6.5, 11.0}
        r = com.microsoft.GemmFastGelu(x, m, b)
            f32[1,2] {-0.0, 11.0}
    "#]]
    .assert_eq(&values(&cases));
}

/// 33 is 0x21: the elements 1 and 2. Without zero points, 8 is taken away from elements of four bits.
#[test]
fn bits() {
    let x = "float[1,4] a = {1, 1, 10, 100}, uint8[1,1,2] b = {33, 67}, float[1] s = {0.5}, uint8[1,1] z = {1},
             float[1,1] zf = {0.5}, float[1] bias = {1000}, uint8[1,2,1] two = {33, 67}, float[1,2] s2 = {1, 10},
             uint8[1,1] z2 = {16}, uint8[1,1,1] crumbs = {228}, uint8[1,1,4] bytes = {128, 129, 130, 131},
             float[1,3] a3 = {1, 1, 10}";
    let cases = [
        (x, "r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4> (a, b, s)"),
        (x, "r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4> (a, b, s, z, , bias)"),
        (x, "r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4> (a, b, s, zf)"),
        (x, "r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 2> (a, two, s2, z2)"),
        (x, "r = com.microsoft.MatMulNBits <K = 3, N = 1, block_size = 2> (a3, two, s2, z2)"),
        (x, "r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4, bits = 2> (a, crumbs, s)"),
        (x, "r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4, bits = 8> (a, bytes, s)"),
    ];
    expect![[r#"
        r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4> (a, b, s)
            f32[1,1] {-231.5}
        r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4> (a, b, s, z, , bias)
            f32[1,1] {1160.5}
        r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4> (a, b, s, zf)
            f32[1,1] {188.5}
        r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 2> (a, two, s2, z2)
            f32[1,1] {3203.0}
        r = com.microsoft.MatMulNBits <K = 3, N = 1, block_size = 2> (a3, two, s2, z2)
            f32[1,1] {203.0}
        r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4, bits = 2> (a, crumbs, s)
            f32[1,1] {48.5}
        r = com.microsoft.MatMulNBits <K = 4, N = 1, block_size = 4, bits = 8> (a, bytes, s)
            f32[1,1] {160.5}
    "#]]
    .assert_eq(&values(&cases));
}

/// The groups 3, 4 and 1, 7 have the mean squares 12.5 and 25; the gate is open where it is large.
#[test]
fn gates() {
    let x = "float[1,4] x = {3, 4, 1, 7}, float[2] scale = {1, 10}, float[1,4] open = {100, 100, 100, -100},
             float[1,1] half = {0.5}, float two = {2}, float[4] bias = {97, 96, -200, 0}, float[4] minus = {-1, -1, -1, -1},
             float[1,4] zero = {0, 0, 0, 0}";
    let cases = [
        (x, "r = com.microsoft.GatedRMSNorm <epsilon = 0.0, activation = \"sigmoid\"> (x, scale, open)"),
        (x, "r = com.microsoft.GatedRMSNorm <epsilon = 0.0> (x, scale, open)"),
        (x, "r = com.microsoft.GatedAdd(x, open, half)"),
        (x, "r = com.microsoft.ScaledSiLU(open, two)"),
        (x, "r = com.microsoft.ScaledSiLU <alpha = 0.5> (open)"),
        (x, "r = com.microsoft.LinearAttentionGate(x, bias, minus)"),
        (x, "a, r = com.microsoft.LinearAttentionGate(x, bias, minus, zero)"),
    ];
    expect![[r#"
        r = com.microsoft.GatedRMSNorm <epsilon = 0.0, activation = "sigmoid"> (x, scale, open)
            f32[1,4] {0.848528, 11.3137, 0.2, 5.29691e-43}
        r = com.microsoft.GatedRMSNorm <epsilon = 0.0> (x, scale, open)
            f32[1,4] {84.8528, 1131.37, 20.0, -5.29691e-41}
        r = com.microsoft.GatedAdd(x, open, half)
            f32[1,4] {53.0, 54.0, 51.0, -43.0}
        r = com.microsoft.ScaledSiLU(open, two)
            f32[1,4] {200.0, 200.0, 200.0, -0.0}
        r = com.microsoft.ScaledSiLU <alpha = 0.5> (open)
            f32[1,4] {50.0, 50.0, 50.0, -9.64375e-21}
        r = com.microsoft.LinearAttentionGate(x, bias, minus)
            f32[1,4] {-100.0, -100.0, -0.0, -7.00091}
        a, r = com.microsoft.LinearAttentionGate(x, bias, minus, zero)
            f32[1,4] {0.5, 0.5, 0.5, 0.5}
    "#]]
    .assert_eq(&values(&cases));
}

/// Four buckets one way: distances 0 and 1, then 2 and from 3 on; with eight both ways, four more for keys ahead.
#[test]
fn relative_positions() {
    let x = "float[4,1] four = {0, 1, 2, 3}, float[8,1] eight = {0, 1, 2, 3, 4, 5, 6, 7}, int64[1] n = {5}";
    let cases = [
        (x, "r = com.microsoft.RelativePositionBias <max_distance = 4> (four, n, n)"),
        (x, "r = com.microsoft.RelativePositionBias <max_distance = 4, is_bidirectional = 1> (eight, n, n)"),
    ];
    expect![[r#"
        r = com.microsoft.RelativePositionBias <max_distance = 4> (four, n, n)
            f32[1,1,5,5] {0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 3.0, 2.0, 1.0, 0.0, 0.0, 3.0, 3.0, 2.0, 1.0, 0.0}
        r = com.microsoft.RelativePositionBias <max_distance = 4, is_bidirectional = 1> (eight, n, n)
            f32[1,1,5,5] {0.0, 5.0, 6.0, 7.0, 7.0, 1.0, 0.0, 5.0, 6.0, 7.0, 2.0, 1.0, 0.0, 5.0, 6.0, 3.0, 2.0, 1.0, 0.0, 5.0, 3.0, 3.0, 2.0, 1.0, 0.0}
    "#]].assert_eq(&values(&cases));
}

/// Scales of a power of two, so that nothing but the last rounding rounds.
#[test]
fn quantised() {
    let x = "uint8[1,4] a = {100, 101, 104, 255}, uint8[1,4] b = {0, 1, 2, 3}, float half = {0.5}, float one = {1},
             float two = {2}, uint8 za = {100}, uint8 zb = {0}, uint8 zr = {10}, bool[4] some = {1, 0, 1, 0},
             uint8[1,1,1,4] image = {2, 4, 6, 8}, float[1,4] x = {-1, 0, 1, 2}, int8[4,1] w = {1, 2, 3, -4},
             int32[1] c = {4}, int8 zw = {0}, float[1] bias = {0.25}";
    let cases = [
        (x, "r = com.microsoft.QLinearAdd(a, half, za, b, two, zb, one, zr)"),
        (x, "r = com.microsoft.QLinearMul(a, half, za, b, two, zb, one, zr)"),
        (x, "r = com.microsoft.QLinearSigmoid(a, half, za, half, zr)"),
        (x, "r = com.microsoft.QLinearLeakyRelu <alpha = 0.5> (b, two, zr, half, zr)"),
        (x, "r = com.microsoft.QLinearGlobalAveragePool(image, half, zb, one, zr)"),
        (x, "r = com.microsoft.QLinearReduceMean <axes = [1], keepdims = 0> (b, two, zb, one, zr)"),
        (x, "r = com.microsoft.QLinearSoftmax <opset = 13, axis = 1> (b, two, zb, half, zb)"),
        (x, "r = com.microsoft.QLinearConcat <axis = 1> (half, za, a, half, za, b, one, zb)"),
        (x, "r = com.microsoft.QLinearWhere(some, a, half, za, b, one, zb, half, za)"),
        (x, "r = com.microsoft.QGemm(a, half, za, w, two, zw, c, two, zr)"),
        (x, "r = com.microsoft.QGemm <alpha = 2.0> (a, half, za, w, two, zw)"),
        (x, "r = com.microsoft.MatMulIntegerToFloat(a, w, half, two, za, zw, bias)"),
        (x, "r = com.microsoft.DynamicQuantizeMatMul(x, w, two, zw, bias)"),
        (x, "r = com.microsoft.QuantizeLinear(x, half, zr)"),
        (x, "r = com.microsoft.DequantizeLinear(a, half, za)"),
    ];
    expect![[r#"
        r = com.microsoft.QLinearAdd(a, half, za, b, two, zb, one, zr)
            u8[1,4] {10, 12, 16, 94}
        r = com.microsoft.QLinearMul(a, half, za, b, two, zb, one, zr)
            u8[1,4] {10, 11, 18, 255}
        r = com.microsoft.QLinearSigmoid(a, half, za, half, zr)
            u8[1,4] {11, 11, 12, 12}
        r = com.microsoft.QLinearLeakyRelu <alpha = 0.5> (b, two, zr, half, zr)
            u8[1,4] {0, 0, 0, 0}
        r = com.microsoft.QLinearGlobalAveragePool(image, half, zb, one, zr)
            u8[1,1,1,1] {12}
        r = com.microsoft.QLinearReduceMean <axes = [1], keepdims = 0> (b, two, zb, one, zr)
            u8[1] {13}
        r = com.microsoft.QLinearSoftmax <opset = 13, axis = 1> (b, two, zb, half, zb)
            u8[1,4] {0, 0, 0, 2}
        r = com.microsoft.QLinearConcat <axis = 1> (half, za, a, half, za, b, one, zb)
            u8[1,8] {100, 101, 104, 255, 100, 102, 104, 106}
        r = com.microsoft.QLinearWhere(some, a, half, za, b, one, zb, half, za)
            u8[1,4] {100, 102, 104, 106}
        r = com.microsoft.QGemm(a, half, za, w, two, zw, c, two, zr)
            u8[1,1] {0}
        r = com.microsoft.QGemm <alpha = 2.0> (a, half, za, w, two, zw)
            f32[1,1] {-1212.0}
        r = com.microsoft.MatMulIntegerToFloat(a, w, half, two, za, zw, bias)
            f32[1,1] {-605.75}
        r = com.microsoft.DynamicQuantizeMatMul(x, w, two, zw, bias)
            f32[1,1] {-11.75}
        r = com.microsoft.QuantizeLinear(x, half, zr)
            u8[1,4] {8, 10, 12, 14}
        r = com.microsoft.DequantizeLinear(a, half, za)
            f32[1,4] {0.0, 0.5, 2.0, 77.5}
    "#]]
    .assert_eq(&values(&cases));
}

/// Windows run over pixels; what was fused stands around them.
#[test]
fn windows() {
    let models = [
        "g (float[1,1,1,2] x, float[1,1,1,1] w, float[1] b) => (float[] y) {
            y = com.microsoft.FusedConv <activation = \"Clip\", activation_params = [-2.0, 1.5]> (x, w, b, x)
        }",
        "g (uint8[1,2,4,1] x, float s, uint8 z) => (uint8[] y) {
            y = com.microsoft.QLinearAveragePool <kernel_shape = [1, 2], channels_last = 1> (x, s, z, s, z)
        }",
    ];
    let text: Vec<String> = models.iter().map(|m| graph_of(&format!("{HEADER} {m}")).to_string()).collect();
    expect![[r#"
        input %0 "x": f32[1,1,1,2]
        input %1 "w": f32[1,1,1,1]
        input %2 "b": f32[1]
        %3: f32[1,1,2,1] = Reshape { shape: [1, 1, 2, 1] }(%0)
        %4: f32[1,1,2,1] = Conv { window: Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, groups: 1 }(%3, %1)
        %5: f32[1,1,2,1] = Map [add(in0, in1)] over [1, 1, 2, 1](%4, %2)
        %6: f32[1,1,2,1] = Reshape { shape: [1, 1, 2, 1] }(%0)
        %7: f32[1,1,2,1] = Map [add(in0, in1)] over [1, 1, 2, 1](%5, %6)
        %8: f32[1,1,2,1] = Map [min(max(in0, -2.0), 1.5)] over [1, 1, 2, 1](%7)
        %9: f32[1,1,1,2] = Reshape { shape: [1, 1, 1, 2] }(%8)
        output %9 "y"

        input %0 "x": u8[1,2,4,1]
        input %1 "s": f32[]
        input %2 "z": u8[]
        %3: i32[1,2,4,1] = Map [sub(i32(in0), i32(in1))] over [1, 2, 4, 1](%0, %2)
        %4: f32[1,2,4,1] = Map [mul(f32(in0), in1)] over [1, 2, 4, 1](%3, %1)
        %5: f32[1,1,2,4] = Reshape { shape: [1, 1, 2, 4] }(%4)
        %6: f32[1,2,4,1] = Reshape { shape: [1, 2, 4, 1] }(%5)
        %7: f32[1,2,3,1] = Pool { kind: Average { count_include_pad: false }, window: Window { kernel: [1, 2], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, ceil: false }(%6)
        %8: f32[1,1,2,3] = Reshape { shape: [1, 1, 2, 3] }(%7)
        %9: f32[1,2,3,1] = Reshape { shape: [1, 2, 3, 1] }(%8)
        %10: u8[1,2,3,1] = Map [u8(min(max(add(round(div(in0, in1)), f32(in2)), 0.0), 255.0))] over [1, 2, 3, 1](%9, %1, %2)
        output %10 "y"
    "#]].assert_eq(&text.join("\n"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let models = [
        "g (float[2,3] x, float[3,4] w) => (float[] y) { y = com.microsoft.FusedGemm <activation = \"Sine\"> (x, w) }",
        "g (float[2,3] x, float[3] b) => (float[] y) { y = com.microsoft.BiasSplitGelu(x, b) }",
        "g (float[2,3] x, float[3] g) => (float[] y, float[] m) {
            y, m = com.microsoft.SkipSimplifiedLayerNormalization(x, x, g)
        }",
    ];
    let models: Vec<String> = models.iter().map(|m| format!("{HEADER} {m}")).collect();
    let models: Vec<&str> = models.iter().map(String::as_str).collect();
    expect![[r#"
        error[E007]: the attribute "activation" is "Sine" and not one of Relu, Tanh, Sigmoid, LeakyRelu, Clip, Elu, ThresholdedRelu, ScaledTanh, Softplus, Softsign, HardSigmoid, HardSwish, Gelu, FastGelu
          --> test: node 0 "y" (FusedGemm)
           = input 0: "x" f32[2,3]
           = input 1: "w" f32[3,4]
           = opset 1

        error[E005]: BiasSplitGelu of a tensor whose last extent is odd
          --> test: node 0 "y" (BiasSplitGelu)
           = input 0: "x" f32[2,3]
           = input 1: "b" f32[3]
           = opset 1

        error[E005]: mean and deviation as results; they are only for training
          --> test: node 0 "y" (SkipSimplifiedLayerNormalization)
           = input 0: "x" f32[2,3]
           = input 1: "x" f32[2,3]
           = input 2: "g" f32[3]
           = opset 1
    "#]].assert_eq(&all_errors_of(&models));
}
