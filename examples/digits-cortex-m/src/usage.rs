//! How much flash and RAM the program uses, from the linker's symbols and the deepest mark on the stack.

use cortex_m::register::msp;

unsafe extern "C" {
    // Their addresses are what counts. Flash begins at 0: the vector table, code, constants, initial values of `.data`.
    safe static __sidata: u32;
    safe static __sdata: u32;
    safe static __edata: u32;
    safe static __ebss: u32;
    safe static __euninit: u32;
    safe static _stack_start: u32;
}

const PAINT: u32 = 0x5AFE_57AC;

/// Bytes of flash.
pub fn flash() -> usize {
    (&raw const __sidata).addr() + (&raw const __edata).addr() - (&raw const __sdata).addr()
}

/// Bytes of RAM taken by statics.
pub fn statics() -> usize {
    (&raw const __ebss).addr() - (&raw const __sdata).addr()
}

/// Fills the unused stack with a mark.
pub fn paint_stack() {
    let (low, high) = (stack_end(), msp::read() as usize - 256);
    for word in (low..high).step_by(4) {
        // SAFETY: RAM between the statics and the stack pointer, with a margin for this function, is unused.
        unsafe { core::ptr::with_exposed_provenance_mut::<u32>(word).write_volatile(PAINT) };
    }
}

/// Bytes of stack used since the program was started.
pub fn stack() -> usize {
    let high = (&raw const _stack_start).addr();
    // SAFETY: RAM between the statics and the start of the stack is readable.
    let painted =
        |word: &usize| unsafe { core::ptr::with_exposed_provenance::<u32>(*word).read_volatile() } == PAINT;
    high - (stack_end()..high).step_by(4).find(|word| !painted(word)).unwrap_or(high)
}

/// Where the stack would run into the statics.
fn stack_end() -> usize {
    (&raw const __euninit).addr().next_multiple_of(4)
}
