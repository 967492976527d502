//! Machines made of files.

use super::*;
use crate::scratch::Scratch;

fn put(scratch: &Scratch, path: &str, content: &str) {
    let path = scratch.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn a_laptop_is_on_battery_unless_it_is_plugged_in() {
    let scratch = Scratch::new();
    let power = || on_battery(&scratch.path().join("power"));
    assert_eq!(power(), None, "nothing is known");
    fs::create_dir(scratch.path().join("power")).unwrap();
    assert_eq!(power(), Some(false), "no battery");
    put(&scratch, "power/hid/type", "Battery\n");
    put(&scratch, "power/hid/scope", "Device\n");
    put(&scratch, "power/hid/status", "Discharging\n");
    assert_eq!(power(), Some(false), "the battery of a mouse");
    put(&scratch, "power/BAT0/type", "Battery\n");
    put(&scratch, "power/BAT0/status", "Discharging\n");
    put(&scratch, "power/AC/type", "Mains\n");
    put(&scratch, "power/AC/online", "0\n");
    assert_eq!(power(), Some(true));
    put(&scratch, "power/BAT0/status", "Not charging\n");
    assert_eq!(power(), Some(false));
    put(&scratch, "power/BAT0/status", "Discharging\n");
    put(&scratch, "power/AC/online", "1\n");
    assert_eq!(power(), Some(false), "it discharges a little although it is plugged in");
}

#[test]
fn the_hottest_plausible_sensor_counts() {
    let scratch = Scratch::new();
    assert_eq!(heat(scratch.path()), None);
    put(&scratch, "thermal/thermal_zone0/temp", "45000\n");
    put(&scratch, "thermal/cooling_device0/type", "fan\n");
    put(&scratch, "hwmon/hwmon0/temp1_input", "71500\n");
    put(&scratch, "hwmon/hwmon0/temp1_max", "99000\n");
    put(&scratch, "hwmon/hwmon1/temp1_input", "65261850\n");
    assert_eq!(heat(scratch.path()), Some(71));
}

#[test]
fn the_time_of_workers_is_own_time() {
    let scratch = Scratch::new();
    assert_eq!(cpu(scratch.path()), None);
    put(&scratch, "stat", "cpu  100 5 50 800 40 3 2 0 9 9\ncpu0 1 1 1 1\n");
    let fields = "S 1 1 1 0 -1 4194304 100 0 0 0";
    put(&scratch, "self/stat", &format!("7 (a) b) {fields} 10 20 3 4 20 0 1\n"));
    put(&scratch, "self/task/7/children", "8 9 ");
    put(&scratch, "8/stat", &format!("8 (w) {fields} 30 1 99 99 20 0 1\n"));
    assert_eq!(cpu(scratch.path()), Some(Cpu { total: 1_000, busy: 160, own: 68 }));
}

#[test]
fn this_machine_has_processors() {
    let cpu = cpu(Path::new("/proc")).unwrap();
    assert!(cpu.busy <= cpu.total && cpu.total > 0);
}

#[test]
fn the_terminal_that_was_typed_at_last_counts() {
    let scratch = Scratch::new();
    assert_eq!(terminals(scratch.path(), 1_000), None);
    for (path, read_at) in [("tty1", 100), ("pts/3", 900), ("pts/ptmx", 999), ("ttyS0", 999)] {
        put(&scratch, path, "");
        let file = fs::File::options().write(true).open(scratch.path().join(path)).unwrap();
        let at = UNIX_EPOCH + std::time::Duration::from_secs(read_at);
        file.set_times(fs::FileTimes::new().set_accessed(at)).unwrap();
    }
    assert_eq!(terminals(scratch.path(), 1_000), Some(100));
}

#[test]
fn a_desktop_tells_when_it_was_used() {
    let session = |kind: &str, class: &str, idle: &str| {
        format!("Type={kind}\nClass={class}\nIdleHint={idle}\nIdleSinceHint=400000000\n")
    };
    let (greeter, typed) = (session("x11", "greeter", "no"), session("tty", "user", "no"));
    let both = format!("{greeter}\n{typed}");
    assert_eq!(idle(&both, 1_000), u64::MAX, "nobody sits at a screen");
    let idle_one = session("wayland", "user", "yes");
    assert_eq!(idle(&format!("{both}\n{idle_one}"), 1_000), 600);
    let used = session("x11", "user", "no");
    assert_eq!(idle(&format!("{idle_one}\n{used}"), 1_000), 0);
}

#[test]
fn a_metered_connection_is_one_that_is_said_or_guessed() {
    let all = ["u 0\n", "u 1\n", "u 2\n", "u 3\n", "u 4\n", "?"].map(is_metered);
    assert_eq!(all, [None, Some(true), Some(false), Some(true), Some(false), None]);
}
