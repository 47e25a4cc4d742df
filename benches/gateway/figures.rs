//! Medians with their spread, and ratios of what was measured in the same round.

/// Whether more is better, as of requests, or less, as of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
}

/// One measurement of all three. Each list has one value a round; OpenClaw's may be empty.
#[derive(Debug)]
pub struct Contest {
    pub title: String,
    pub unit: &'static str,
    pub better: Better,
    pub ours: Vec<f64>,
    pub bare: Vec<f64>,
    pub openclaw: Vec<f64>,
}

/// Ratios to reach or exceed, where they are set.
#[derive(Debug, Default, Clone, Copy)]
pub struct Goals {
    pub bare: Option<f64>,
    pub openclaw: Option<f64>,
}

impl Contest {
    pub fn new(title: String, unit: &'static str, better: Better) -> Self {
        Self { title, unit, better, ours: Vec::new(), bare: Vec::new(), openclaw: Vec::new() }
    }

    pub fn print(&self, goals: Goals) {
        println!("{}", self.title);
        for (name, values) in [("tailclaw", &self.ours), ("bare", &self.bare), ("openclaw", &self.openclaw)] {
            if !values.is_empty() {
                println!("  {name:<9} {} {}", spread(values), self.unit);
            }
        }
        self.print_ratio("bare", &self.bare, goals.bare);
        self.print_ratio("openclaw", &self.openclaw, goals.openclaw);
    }

    /// How many times better ours is than another, round by round.
    fn print_ratio(&self, name: &str, others: &[f64], goal: Option<f64>) {
        if others.is_empty() {
            return;
        }
        let ratio = |(ours, other): (&f64, &f64)| match self.better {
            Better::More => ours / other,
            Better::Less => other / ours,
        };
        let ratios: Vec<f64> = self.ours.iter().zip(others).map(ratio).collect();
        let verdict = goal.map_or_else(String::new, |goal| {
            let word = if median(&ratios) >= goal { "reached" } else { "MISSED" };
            format!(" (goal ≥ {goal}: {word})")
        });
        println!("  {} than {name}: × {}{verdict}", self.word(), spread(&ratios));
    }

    const fn word(&self) -> &'static str {
        match self.better {
            Better::More => "more",
            Better::Less => "less",
        }
    }
}

pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The median, and the extremes in brackets.
pub fn spread(values: &[f64]) -> String {
    let sorted = sorted(values);
    let (low, high) = (sorted.first().copied().unwrap_or_default(), sorted.last().copied().unwrap_or_default());
    let middle = median(values);
    let digits = if middle < 10.0 { 2 } else { 0 };
    format!("{middle:.digits$} [{low:.digits$}–{high:.digits$}]")
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}
