//! Sine and cosine at any magnitude: x·2/π is computed modulo 4 from enough bits of 2/π, in f64.

/// 2/π: bit 63 of the first word is worth ½.
const TWO_OVER_PI: [u64; 4] =
    [0xa2f9_836e_4e44_1529, 0xfc27_57d1_f534_ddc0, 0xdb62_9599_3c43_9041, 0xfe51_63ab_debb_c561];

/// Bits of 2^i·2/π mod 4 in four pieces of 29, the lowest worth 2^-27, 2^-56, 2^-85 and 2^-114.
const fn pieces(i: usize) -> [f64; 4] {
    let mut pieces = [0.0; 4];
    let mut worth = 2.0;
    let mut bit = 0;
    while bit < 4 * 29 {
        // The first bit of the fraction has position 1.
        let position = i + bit;
        if position >= 2 && (TWO_OVER_PI[(position - 2) / 64] >> (63 - (position - 2) % 64)) & 1 == 1 {
            pieces[bit / 29] += worth;
        }
        worth *= 0.5;
        bit += 1;
    }
    pieces
}

/// One entry per 24 binary orders of magnitude: few enough to select from without loads.
const SCALES: [[f64; 4]; 5] = [pieces(0), pieces(24), pieces(48), pieces(72), pieces(96)];

/// Adding this rounds to an integer, whose low bits then stand in the low bits of the sum.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// The quadrant (low two bits) and the angle within it, |r| a little over π/4 at most.
#[inline(always)]
fn reduce(x: f32) -> (u32, f32) {
    let a = x.abs();
    let mut m = f64::from(x);
    let mut p = SCALES[0];
    let mut down = 1.0;
    // x = m·2^i, where m is an integer below 2^48 unless i is 0: products with the pieces are exact.
    for (scale, (bound, factor)) in SCALES[1..].iter().zip([
        (16_777_216.0 * 16_777_216.0, 1.0 / 16_777_216.0),
        (4_722_366_482_869_645_213_696.0, 1.0 / 281_474_976_710_656.0),
        (79_228_162_514_264_337_593_543_950_336.0, 1.0 / 4_722_366_482_869_645_213_696.0),
        (1_329_227_995_784_915_872_903_807_060_280_344_576.0, 1.0 / 79_228_162_514_264_337_593_543_950_336.0),
    ]) {
        let beyond = a >= bound;
        for (p, &q) in p.iter_mut().zip(scale) {
            *p = if beyond { q } else { *p };
        }
        down = if beyond { factor } else { down };
    }
    m *= down;
    let (first, second) = (m * p[0], m * p[1]);
    let (sum, other) = (first + MAGIC, second + MAGIC);
    let mut fraction = (first - (sum - MAGIC)) + (second - (other - MAGIC));
    // Two halves may make a whole.
    let carry = fraction + MAGIC;
    fraction = (first - (sum - MAGIC)) - (carry - MAGIC) + (second - (other - MAGIC)) + m * p[2] + m * p[3];
    let quadrant =
        (sum.to_bits() as u32).wrapping_add(other.to_bits() as u32).wrapping_add(carry.to_bits() as u32);
    (quadrant, (fraction * core::f64::consts::FRAC_PI_2) as f32)
}

/// The sine of `quadrant`·π/2 + r.
#[inline(always)]
fn sine(quadrant: u32, r: f32) -> f32 {
    let square = r * r;
    let s = -1.951_083_8e-4;
    let s = s * square + 8.332_131e-3;
    let s = s * square - 1.666_665_4e-1;
    let s = s * (square * r) + r;
    let c = 2.443_120_3e-5;
    let c = c * square - 1.388_730_6e-3;
    let c = c * square + 4.166_664_6e-2;
    let c = c * (square * square) - 0.5 * square + 1.0;
    let y = if quadrant & 1 == 0 { s } else { c };
    f32::from_bits(y.to_bits() ^ (quadrant & 2) << 30)
}

#[inline(always)]
pub(super) fn sin(x: f32) -> f32 {
    let (quadrant, r) = reduce(x);
    let y = sine(quadrant, r);
    if x == 0.0 { x } else { y }
}

#[inline(always)]
pub(super) fn cos(x: f32) -> f32 {
    let (quadrant, r) = reduce(x);
    sine(quadrant.wrapping_add(1), r)
}
