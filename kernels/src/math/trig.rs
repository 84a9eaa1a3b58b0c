//! Sine and cosine at any magnitude: x·2/π is computed modulo 4 from enough bits of 2/π, in f64.

/// 2/π: bit 63 of the first word is worth ½.
const TWO_OVER_PI: [u64; 4] =
    [0xa2f9_836e_4e44_1529, 0xfc27_57d1_f534_ddc0, 0xdb62_9599_3c43_9041, 0xfe51_63ab_debb_c561];
const PIECES: usize = 106;

/// 29 bits of 2^i·2/π mod 4, the lowest worth 2^-27, 2^-56 or 2^-85 for piece 0, 1 or 2.
const fn pieces(piece: usize) -> [u32; PIECES] {
    let mut table = [0; PIECES];
    let mut i = 0;
    while i < PIECES {
        let mut bit = 0;
        let mut value = 0u32;
        while bit < 29 {
            // Position 0 would be worth 1; the fraction's first bit is position 1.
            let position = (i + 29 * piece + bit) as isize - 1;
            let set = if position < 1 {
                0
            } else {
                let index = position as usize - 1;
                (TWO_OVER_PI[index / 64] >> (63 - index % 64)) & 1
            };
            value = value << 1 | set as u32;
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
}

static HIGH: [u32; PIECES] = pieces(0);
static MIDDLE: [u32; PIECES] = pieces(1);
static LOW: [u32; PIECES] = pieces(2);

/// The quadrant (low two bits) and the angle within it, |r| a little over π/4 at most.
#[inline(always)]
fn reduce(x: f32) -> (u32, f32) {
    let exponent = (x.to_bits() >> 23) & 0xff;
    // x = m·2^i with |m| < 2^24, an integer where i > 0; so that products with 29-bit pieces are exact in f64.
    let i = exponent.saturating_sub(150);
    let scale = f64::from_bits(u64::from(1023 - i) << 52);
    let m = f64::from(x) * scale;
    let i = i as usize;
    let high = m * (f64::from(HIGH[i] as i32) * (1.0 / 134_217_728.0));
    let middle = m * (f64::from(MIDDLE[i] as i32) * (1.0 / 72_057_594_037_927_936.0));
    let low = m * (f64::from(LOW[i] as i32) * (1.0 / 38_685_626_227_668_133_590_597_632.0));
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    let sum = (high + middle) + MAGIC;
    let turns = sum - MAGIC;
    let fraction = (high - turns) + middle + low;
    (sum.to_bits() as u32, (fraction * core::f64::consts::FRAC_PI_2) as f32)
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
