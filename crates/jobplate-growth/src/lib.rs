//! Asserts in tests that the time of a function grows with the size of its input, not with the square of it.
//!
//! Only ratios of processor times are compared, so the speed of the machine does not matter.

use std::time::Duration;

/// How many times longer than the small input the large input is.
const FACTOR: usize = 8;

/// Linear time takes 8 times as long for the large input, and quadratic time 64 times. The limit allows for a
/// large input that no longer fits into the caches of the processor.
const MAX_RATIO: u32 = 24;

/// The growth of a shorter time means nothing: the function may have refused the input at its first byte.
const MIN_TIME: Duration = Duration::from_millis(1);

/// Asserts that `run` takes at most 24 times as long for an input of `size` as for an input of an eighth of it.
///
/// `prepare` returns the input of a size and is not measured.
///
/// # Panics
/// If the time grows faster, or if `run` takes less than 1 ms for an input of `size`.
#[track_caller]
pub fn assert_linear<I>(size: usize, prepare: impl Fn(usize) -> I, run: impl Fn(&I)) {
    let ratio = measure_growth(size, prepare, run);
    assert!(ratio <= f64::from(MAX_RATIO), "an input {FACTOR} times as large takes {ratio:.1} times as long");
}

/// Returns how many times longer `run` takes for an input of `size` than for an input of an eighth of it.
///
/// Other work on the machine can only lengthen a measurement. So this function measures up to 12 times, until the
/// shortest times grow linearly.
///
/// # Panics
/// If `run` takes less than 1 ms for an input of `size`.
#[track_caller]
fn measure_growth<I>(size: usize, prepare: impl Fn(usize) -> I, run: impl Fn(&I)) -> f64 {
    let (small, large) = (prepare(size / FACTOR), prepare(size));
    let measure = |input: &I| {
        let start = thread_time();
        run(input);
        thread_time() - start
    };
    let (mut short, mut long) = (Duration::MAX, Duration::MAX);
    for _ in 0..12 {
        short = short.min(measure(&small));
        long = long.min(measure(&large));
        if long <= short.saturating_mul(MAX_RATIO) {
            break;
        }
    }
    assert!(long >= MIN_TIME, "an input of size {size} is too small: {long:?}");
    long.as_secs_f64() / short.as_secs_f64()
}

/// Returns the processor time of this thread.
#[cfg(unix)]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a time that is not negative")
}

/// Returns the time since the first call.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn tells_linear_from_quadratic_time() {
        let linear = |size: &usize| assert!((0..*size).all(|number| black_box(number) < *size));
        let quadratic = |size: &usize| (0..*size).for_each(|_| linear(size));
        assert!(measure_growth(2_000_000, |size| size, linear) <= f64::from(MAX_RATIO));
        assert!(measure_growth(4_000, |size| size, quadratic) > f64::from(MAX_RATIO));
    }

    #[test]
    #[should_panic(expected = "too small")]
    fn refuses_an_input_that_is_too_small() {
        assert_linear(8, |size| size, |_| ());
    }
}
