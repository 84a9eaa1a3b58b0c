//! What people see: progress, colours, tables. Pipes get neither progress nor colours.

use crate::report::Report;
use console::{Style, style};
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// Prints results to the standard output. If whoever reads them has enough (`ingrain inspect MODEL | head`), the command
/// ends, and that is no error.
pub(super) fn result(text: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().lock().write_fmt(text) {
        let enough = error.kind() == io::ErrorKind::BrokenPipe;
        if !enough {
            complain(&format!("the standard output cannot be written: {error}"));
        }
        std::process::exit(if enough { 0 } else { 2 });
    }
}

/// Prints a problem to the standard error.
pub(super) fn complain(message: &str) {
    let red = Style::new().for_stderr().red().bold();
    if !message.starts_with("error") {
        eprint!("{} ", red.apply_to("error:"));
    }
    for line in message.trim_end().lines() {
        match line.strip_prefix("error").and_then(|rest| rest.split_once(':')) {
            Some((code, rest)) => eprintln!("{}:{rest}", red.apply_to(format!("error{code}"))),
            None => eprintln!("{line}"),
        }
    }
}

/// Prints a remark to the standard error.
pub(super) fn remark(message: &str) {
    eprintln!("{}: {message}", style("note").for_stderr().cyan().bold());
}

/// A spinner on the standard error with a line of text; invisible unless that is a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(message: &str) -> Progress {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress(bar)
    }

    pub(super) fn say(&self, message: &str) {
        self.0.set_message(message.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A status in its colour, for the standard output.
pub(super) fn status(text: &str) -> String {
    let style = match text {
        "pass" => Style::new().green(),
        "unsupported" => Style::new().yellow(),
        _ => Style::new().red().bold(),
    };
    // Padded before colouring: escape sequences have no width.
    style.apply_to(format!("{text:11}")).to_string()
}

/// A heading in bold, for the standard output.
pub(super) fn heading(text: &str) -> String {
    Style::new().bold().apply_to(text).to_string()
}

/// A number of bytes for people.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A count for people: `4.1 M`.
pub(super) fn count(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{:.1} k", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} M", n as f64 / 1e6),
        _ => format!("{:.1} G", n as f64 / 1e9),
    }
}

/// One line about a compiled model.
pub(super) fn summary(report: &Report) -> String {
    let mut text = format!(
        "{} steps, {} MACs, arena {}, weights {} of {}",
        report.steps.len(),
        count(report.macs),
        bytes(report.context_bytes),
        bytes(report.stored_weight_bytes),
        bytes(report.initializer_bytes)
    );
    if report.second_form_bytes > 0 {
        text += &format!(" ({} in second forms)", bytes(report.second_form_bytes));
    }
    text
}

/// Prints text dumps of stages to the standard output.
pub(super) fn dumps(report: &Report) {
    for (stage, text) in &report.dumps {
        println!("{}\n{}", heading(&format!("after {stage}:")), text.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1536), bytes(3 << 30)],
            ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"]
        );
        assert_eq!([count(999), count(4_100_000), count(2_000_000_000)], ["999", "4.1 M", "2.0 G"]);
    }
}
