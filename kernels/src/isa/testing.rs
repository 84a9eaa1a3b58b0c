//! Tests at every level that the processor has. The level is forced for one thread, so that tests do not disturb each
//! other.

use super::{Level, supported};
use std::cell::Cell;

std::thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

/// The level that this thread's test asks for.
pub(super) fn forced() -> Option<Level> {
    FORCED.get()
}

/// Back to the best level, also where a test fails.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        FORCED.set(None);
    }
}

/// Runs `test` at each level of this processor; [`super::level`] names it.
pub(crate) fn on_every_level(test: impl Fn()) {
    let _restored = Restored;
    for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
        if level <= supported() {
            FORCED.set(Some(level));
            test();
        }
    }
}

#[test]
fn levels_are_walked() {
    let seen = std::sync::Mutex::new(std::vec::Vec::new());
    on_every_level(|| seen.lock().unwrap().push(super::level()));
    let seen = seen.into_inner().unwrap();
    assert_eq!((seen.first(), seen.last()), (Some(&Level::Baseline), Some(&supported())));
    assert!(seen.is_sorted());
    assert_eq!(forced(), None);
}
