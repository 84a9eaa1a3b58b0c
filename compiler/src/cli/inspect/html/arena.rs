//! The arena over time: steps from left to right, addresses from the bottom up.

use super::super::super::terminal::bytes;
use super::draw::{self, Area, block, escaped, fitting, line, text};
use super::kind::{self, Kind};
use super::legend;
use crate::report::{Report, State, StepReport, ValueReport};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Width of the addresses at the left.
const LEFT: f64 = 80.0;
/// Width of the steps, where they are few.
const WIDTH: f64 = 1030.0;
/// Least width of a step; more of them make the picture wider than the page, which scrolls.
const STEP: f64 = 2.5;
const TOP: f64 = 20.0;
const HEIGHT: f64 = 380.0;
/// Below: the numbers of steps, their layers, and how much is needed at once.
const NUMBERS: f64 = TOP + HEIGHT;
const LAYERS: f64 = NUMBERS + 22.0;
const LAYER_HEIGHT: f64 = 18.0;
const LIVE: f64 = LAYERS + LAYER_HEIGHT + 10.0;
const LIVE_HEIGHT: f64 = 56.0;
const BOTTOM: f64 = LIVE + LIVE_HEIGHT + 6.0;

struct Picture<'r> {
    report: &'r Report,
    /// Values that take place.
    values: Vec<&'r ValueReport>,
    steps: usize,
    total: u64,
    per_step: f64,
}

pub(super) fn draw(html: &mut String, report: &Report) {
    let values: Vec<&ValueReport> = report.values.iter().filter(|value| value.bytes > 0).collect();
    html.push_str("<h2>The arena over time</h2>\n");
    if values.is_empty() {
        html.push_str("<p>This model computes without memory of its own.</p>\n");
        return;
    }
    let steps = report.steps.len().max(1);
    let per_step = (WIDTH / steps as f64).max(STEP);
    let picture = Picture { report, values, steps, total: report.context_bytes.max(1), per_step };
    let mut sizes = BTreeMap::new();
    for value in &picture.values {
        sizes.entry(picture.kind(value)).or_insert(0);
    }
    html.push_str(
        "<p>A block is a value: as wide as the steps that need it, as high as its bytes. The colour tells what computes \
         it. Point at a block for its name.</p>\n",
    );
    legend(html, &sizes, &[("bound", "largest set of values that are needed at once")]);
    html.push_str("<div class=\"sheet\">\n");
    picture.addresses(html);
    html.push_str("<div class=\"scroll\">\n");
    picture.time(html);
    html.push_str("</div></div>\n");
}

impl Picture<'_> {
    fn kind(&self, value: &ValueReport) -> Kind {
        if value.name == "scratch" && value.first == value.last {
            return Kind::Scratch;
        }
        let named = |state: &State| state.output == value.name || state.input == value.name;
        if value.first == 0 && value.last >= self.steps && self.report.states.iter().any(named) {
            return Kind::State;
        }
        self.step(value.first).map_or(Kind::Other, |step| Kind::of_origins(step.origins.iter()))
    }

    fn step(&self, number: usize) -> Option<&StepReport> {
        self.report.steps.get(number)
    }

    fn x(&self, step: usize) -> f64 {
        step.min(self.steps) as f64 * self.per_step
    }

    fn y(&self, address: u64) -> f64 {
        TOP + HEIGHT - address as f64 / self.total as f64 * HEIGHT
    }

    /// The scale at the left.
    fn addresses(&self, html: &mut String) {
        draw::begin(html, LEFT, BOTTOM, "addresses");
        for address in self.ticks() {
            text(html, LEFT - 8.0, self.y(address) + 4.0, "", "end", &bytes(address));
        }
        text(html, LEFT - 8.0, NUMBERS + 15.0, "", "end", "step");
        text(html, LEFT - 8.0, LAYERS + 13.0, "", "end", "layer");
        text(html, LEFT - 8.0, LIVE + 10.0, "", "end", "needed");
        text(html, LEFT - 8.0, LIVE + 24.0, "", "end", "at once");
        html.push_str("</svg>\n");
    }

    fn ticks(&self) -> impl Iterator<Item = u64> {
        let step = draw::binary_step(self.total, 8);
        (0..=self.total / step).map(move |tick| tick * step)
    }

    fn time(&self, html: &mut String) {
        let width = self.x(self.steps);
        draw::begin(html, width + 12.0, BOTTOM, "arena over time");
        for address in self.ticks() {
            let y = self.y(address);
            line(html, (0.0, y), (width, y), "grid");
        }
        for value in &self.values {
            let kind = self.kind(value);
            block(html, self.area(value, value.last), &kind.class(), &self.about(value, kind));
        }
        for (at, value) in self.values.iter().enumerate() {
            self.label(html, at, value);
        }
        line(html, (0.0, NUMBERS), (width, NUMBERS), "axis");
        let tick = draw::round_step(self.steps, (width / 60.0) as usize);
        for number in (0..self.steps).filter(|number| (number + 1).is_multiple_of(tick) || *number == 0) {
            let x = self.x(number) + self.per_step / 2.0;
            text(html, x, NUMBERS + 15.0, "", "middle", &(number + 1).to_string());
        }
        self.bound(html, width);
        self.layers(html);
        self.live(html);
        html.push_str("</svg>\n");
    }

    /// The block of a value up to this step.
    fn area(&self, value: &ValueReport, last: usize) -> Area {
        let (x, right) = (self.x(value.first), self.x(last + 1));
        let (y, bottom) = (self.y(value.offset + value.bytes), self.y(value.offset));
        Area { x, y, width: right - x, height: bottom - y }
    }

    /// The name of a value, where it fits in front of what takes its place.
    fn label(&self, html: &mut String, at: usize, value: &ValueReport) {
        let covers = |other: &&&ValueReport| {
            other.offset < value.offset + value.bytes && value.offset < other.offset + other.bytes
        };
        let next = self.values[at + 1..].iter().take_while(|v| v.first <= value.last).find(covers);
        let last = next.map_or(value.last, |next| next.first.saturating_sub(1));
        let area = self.area(value, last);
        if area.height < 14.0 || self.kind(value) == Kind::Scratch {
            return;
        }
        let name = match value.name.as_str() {
            "" => self.step(value.first).and_then(|s| s.origins.last()).map_or("", |o| kind::node(o)),
            name => name,
        };
        if let Some(name) = fitting(name, area.width - 8.0) {
            let y = area.y + (area.height / 2.0 + 4.0).min(18.0);
            text(html, area.x + 4.0, y, "on", "start", &name);
        }
    }

    fn about(&self, value: &ValueReport, kind: Kind) -> String {
        let name = match value.name.as_str() {
            "" => "a value between steps",
            name => name,
        };
        let end = match value.last {
            last if last >= self.steps => "the end".to_owned(),
            last => format!("step {}", last + 1),
        };
        let mut about = format!(
            "{name}\n{} at {} (byte {})\nfrom step {} to {end}\n{}",
            bytes(value.bytes),
            bytes(value.offset),
            value.offset,
            value.first + 1,
            kind.name(),
        );
        if let Some(step) = self.step(value.first).filter(|step| !step.origins.is_empty()) {
            let first: Vec<&str> = step.origins.iter().take(6).map(String::as_str).collect();
            let more = step.origins.len() - first.len();
            let _ = write!(about, ": {}", first.join(", "));
            if more > 0 {
                let _ = write!(about, " and {more} more");
            }
        }
        about
    }

    /// No plan can be smaller than this.
    fn bound(&self, html: &mut String, width: f64) {
        let bound = self.report.context_lower_bound_bytes;
        let y = self.y(bound);
        line(html, (0.0, y), (width, y), "bound");
        let told = match self.total > bound {
            true => format!("{} needed at once, {} planned", bytes(bound), bytes(self.total)),
            false => format!("{} needed at once, and no more planned", bytes(bound)),
        };
        text(html, width.min(WIDTH) - 4.0, (y - 6.0).max(12.0), "bound-text", "end", &told);
    }

    /// Stretches of steps whose nodes are of one layer.
    fn layers(&self, html: &mut String) {
        let layer = |number: usize| {
            let origin = self.step(number).and_then(|step| step.origins.first());
            origin.map_or_else(String::new, |origin| kind::layer(kind::node(origin)))
        };
        let (mut start, mut odd) = (0, false);
        while start < self.steps {
            let name = layer(start);
            let end = (start + 1..self.steps).find(|&number| layer(number) != name).unwrap_or(self.steps);
            let (x, width) = (self.x(start), self.x(end) - self.x(start));
            let class = if odd { "layer odd" } else { "layer" };
            let title = format!("{name}: steps {} to {end}", start + 1);
            let _ = writeln!(
                html,
                "<rect x=\"{x:.1}\" y=\"{LAYERS:.1}\" width=\"{width:.1}\" height=\"{LAYER_HEIGHT}\" class=\"{class}\">\
                 <title>{}</title></rect>",
                escaped(&title)
            );
            if let Some(name) = fitting(&name, width - 6.0) {
                text(html, x + width / 2.0, LAYERS + 13.0, "", "middle", &name);
            }
            (start, odd) = (end, !odd);
        }
    }

    /// How many bytes each step needs.
    fn live(&self, html: &mut String) {
        let mut needed = vec![0_u64; self.steps];
        for value in &self.values {
            let steps = needed.iter_mut().take(value.last + 1).skip(value.first);
            steps.for_each(|bytes| *bytes += value.bytes);
        }
        // Where a step writes over what it reads, both have one place.
        let most = needed.iter().copied().max().unwrap_or(1).max(1) as f64;
        let base = LIVE + LIVE_HEIGHT;
        let mut path = format!("M0 {base:.1}");
        for (number, bytes) in needed.iter().enumerate() {
            let y = base - *bytes as f64 / most * LIVE_HEIGHT;
            let _ = write!(path, "L{:.1} {y:.1}L{:.1} {y:.1}", self.x(number), self.x(number + 1));
        }
        let _ = write!(path, "L{:.1} {base:.1}Z", self.x(self.steps));
        let _ = writeln!(html, "<path d=\"{path}\" class=\"live\"/>");
    }
}
