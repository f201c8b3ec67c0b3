//! Measures in tests how run time grows with the size of the input.

use std::time::{Duration, Instant};

/// The maximum time between two updates of a thread's processor time.
const RESOLUTION: Duration = Duration::from_millis(20);

/// Fails if `run` takes more than three times as long for `2 * count` as for `count`. In quadratic time, it takes four
/// times as long. `run(count)` should take at least 20 ms.
pub(crate) fn assert_grows_linearly(count: usize, run: impl Fn(usize)) {
    let measure = |count: usize| {
        let start = thread_time();
        run(count);
        thread_time() - start
    };
    // Other processes can only lengthen a measurement, so the shortest counts.
    let (mut single, mut double) = (Duration::MAX, Duration::MAX);
    for _ in 0..12 {
        single = single.min(measure(count));
        double = double.min(measure(2 * count));
        if double < single * 3 || double < RESOLUTION {
            return;
        }
    }
    panic!("{single:?} for {count}, and {double:?} for twice as many");
}

/// Returns the processor time of this thread, or the time since the first call on systems without `/proc`.
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split(' ').next().and_then(|field| field.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}
