//! Colours and small pictures.

use super::graph::Icon;
use super::progress::Shown;

/// The style sheet. Every rule stands under the class of the drawing, so that it can stand inside of a page.
pub(super) const STYLE: &str = "
.psd{font-family:'Helvetica Neue',Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif}
.psd .bg{fill:#f7f8fb}
.psd text{fill:#5a6577;font-size:11px}
.psd .h{fill:#18202e;font-size:18px;font-weight:700}
.psd .n{fill:#18202e;font-size:13px;font-weight:700}
.psd .s{font-size:10px;font-weight:600}
.psd .q{font-size:10px}
.psd .st{font-weight:600}
.psd .box{fill:#fff;stroke:#cfd5e1;stroke-width:1}
.psd .frame{fill:#fff;fill-opacity:.55;stroke:#cfd5e1;stroke-width:1}
.psd .head{fill:#eaeef6}
.psd .tried{fill:none;stroke:#a9b3c5;stroke-dasharray:3 3}
.psd .saga{stroke:#0b7d70;stroke-width:1.5;stroke-dasharray:7 5}
.psd .pill{fill:#fff;stroke:#b9c2d2}
.psd .pill+text{fill:#364152}
.psd .mark{fill:#26324a}
.psd .mark+text,.psd .mark+use+text{fill:#fff}
.psd .chip{fill:#eefaf7;stroke:#0b7d70;stroke-dasharray:4 3}
.psd .chip+use+text,.psd .chip+use+text+text{fill:#0a6a5f}
.psd .w{fill:none;stroke:#8592a8;stroke-width:1.5;stroke-linejoin:round}
.psd .we{stroke:#c9354a;stroke-dasharray:5 4}
.psd .wu{stroke:#0b7d70;stroke-dasharray:5 4}
.psd .wb{stroke:#5a6577;stroke-width:4;stroke-linecap:round}
.psd .af{fill:#8592a8}.psd .ae{fill:#c9354a}.psd .au{fill:#0b7d70}
.psd .i{fill:none;stroke:#6b7689;stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}
.psd .ic{stroke:#2d62d3}.psd .if{stroke:#7044cf}.psd .it{stroke:#b06a00}.psd .ie{stroke:#c9354a}.psd .iu{stroke:#0b7d70}
.psd .bc{fill:#2d62d3}.psd .bf{fill:#7044cf}.psd .bt{fill:#b06a00}.psd .be{fill:#c9354a}.psd .bu{fill:#0b7d70}.psd .bd{fill:#6b7689}
.psd .dot{stroke:none}.psd .sign{fill:none;stroke:#fff;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
.psd .completed>.edge{stroke:#1b8a4b;stroke-width:1.5}.psd .completed>.dot{fill:#1b8a4b}.psd .completed>.st{fill:#146c3a}
.psd .running>.edge{stroke:#2d62d3;stroke-width:2.5}.psd .running>.dot{fill:#2d62d3}.psd .running>.st{fill:#2450b0}
.psd .waiting>.edge{stroke:#b06a00;stroke-width:2.5}.psd .waiting>.dot{fill:#b06a00}.psd .waiting>.st{fill:#8a5300}
.psd .faulted>.edge{stroke:#c9354a;stroke-width:2.5}.psd .faulted>.dot{fill:#c9354a}.psd .faulted>.st{fill:#a8283b}
.psd .compensated>.edge{stroke:#0b7d70;stroke-width:2;stroke-dasharray:7 4}.psd .compensated>.dot{fill:#0b7d70}.psd .compensated>.st{fill:#0a6a5f}
.psd .cancelled>.edge{stroke:#5a6577;stroke-width:2}.psd .cancelled>.dot{fill:#5a6577}
.psd .skipped>.edge{stroke:#8592a8;stroke-dasharray:2 3}.psd .skipped>.dot{fill:#8592a8}
.psd .unreached>.edge{stroke:#cfd5e1}.psd .unreached>.dot{fill:#b9c2d2}
@media (prefers-color-scheme:dark){
.psd .bg{fill:#12151c}
.psd text{fill:#a4aec0}
.psd .h,.psd .n{fill:#f0f3f9}
.psd .box{fill:#1d222d;stroke:#3a4354}
.psd .frame{fill:#1d222d;stroke:#3a4354}
.psd .head{fill:#262d3b}
.psd .tried{stroke:#4a5569}
.psd .saga{stroke:#35b5a4}
.psd .pill{fill:#262d3b;stroke:#56627a}
.psd .pill+text{fill:#d5dbe7}
.psd .mark{fill:#dfe5f0}
.psd .mark+text,.psd .mark+use+text{fill:#18202e}
.psd .chip{fill:#14302d;stroke:#35b5a4}
.psd .chip+use+text,.psd .chip+use+text+text{fill:#7fdccd}
.psd .w{stroke:#76839b}
.psd .we{stroke:#f0798a}
.psd .wu{stroke:#35b5a4}
.psd .wb{stroke:#a4aec0}
.psd .af{fill:#76839b}.psd .ae{fill:#f0798a}.psd .au{fill:#35b5a4}
.psd .i{stroke:#a4aec0}
.psd .ic{stroke:#7ea6ff}.psd .if{stroke:#b79bff}.psd .it{stroke:#f0b050}.psd .ie{stroke:#f0798a}.psd .iu{stroke:#35b5a4}
.psd .bc{fill:#7ea6ff}.psd .bf{fill:#b79bff}.psd .bt{fill:#f0b050}.psd .be{fill:#f0798a}.psd .bu{fill:#35b5a4}.psd .bd{fill:#a4aec0}
.psd .sign{stroke:#12151c}
.psd .completed>.edge{stroke:#4cc47f}.psd .completed>.dot{fill:#4cc47f}.psd .completed>.st{fill:#7fdca5}
.psd .running>.edge{stroke:#7ea6ff}.psd .running>.dot{fill:#7ea6ff}.psd .running>.st{fill:#a9c4ff}
.psd .waiting>.edge{stroke:#f0b050}.psd .waiting>.dot{fill:#f0b050}.psd .waiting>.st{fill:#f6cb8a}
.psd .faulted>.edge{stroke:#f0798a}.psd .faulted>.dot{fill:#f0798a}.psd .faulted>.st{fill:#f7a6b2}
.psd .compensated>.edge{stroke:#35b5a4}.psd .compensated>.dot{fill:#35b5a4}.psd .compensated>.st{fill:#7fdccd}
.psd .cancelled>.edge{stroke:#a4aec0}.psd .cancelled>.dot{fill:#a4aec0}
.psd .skipped>.edge{stroke:#76839b}.psd .skipped>.dot{fill:#76839b}
.psd .unreached>.edge{stroke:#3a4354}.psd .unreached>.dot{fill:#56627a}
}
";

impl Icon {
    /// The id of its symbol.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Call => "ps-call",
            Self::List => "ps-list",
            Self::Data => "ps-data",
            Self::Choice => "ps-choice",
            Self::Loop => "ps-loop",
            Self::Fork => "ps-fork",
            Self::Clock => "ps-clock",
            Self::Signal => "ps-signal",
            Self::Error => "ps-error",
            Self::Shield => "ps-shield",
            Self::Condition => "ps-condition",
            Self::Undo => "ps-undo",
            Self::Other => "ps-other",
        }
    }

    /// The lines that it is made of, on 16 by 16.
    pub(super) fn lines(self) -> &'static str {
        match self {
            Self::Call => "M9 1.5 3.5 9H8L7 14.5 12.5 7H8Z",
            Self::List => "M2.5 4h1M6 4h7.5M2.5 8h1M6 8h7.5M2.5 12h1M6 12h7.5",
            Self::Data => "M3 4c0-2.7 10-2.7 10 0S3 6.7 3 4v8c0 2.7 10 2.7 10 0V4M3 8c0 2.7 10 2.7 10 0",
            Self::Choice => "M8 1.5 14.5 8 8 14.5 1.5 8Z",
            Self::Loop => "M13.5 8A5.5 5.5 0 1 1 11.5 3.700M11.8 1v3h-3",
            Self::Fork => "M8 1.500V5M3 14V9q0-4 5-4t5 4v5M1 12l2 2.500L5 12M11 12l2 2.5 2-2.5",
            Self::Clock => "M8 1.800A6.2 6.2 0 1 0 8 14.2 6.2 6.2 0 1 0 8 1.800M8 4.500V8l2.5 1.7",
            Self::Signal => {
                "M8 7.200A.8.8 0 1 0 8 8.8.8.8 0 1 0 8 7.200M5.2 10.800a4 4 0 0 1 0-5.600M10.8 5.200a4 4 0 0 1 0 5.600M3 13a7 7 0 0 1 0-10M13 3a7 7 0 0 1 0 10"
            }
            Self::Error => "M8 1.8 15 14H1ZM8 6v4M8 12v.1",
            Self::Shield => "M8 1.5 13.5 3.500V8c0 3.5-2.5 5.5-5.5 6.500C5 13.5 2.5 11.5 2.5 8V3.500Z",
            Self::Condition => "M5.5 5.500a2.5 2.5 0 1 1 3.7 2.200C8.3 8.2 8 8.7 8 9.700M8 12.500v.1",
            Self::Undo => "M5.5 2.5 2.5 5.500l3 3M2.5 5.500h7a4 4 0 0 1 0 8H6",
            Self::Other => "M8 2A6 6 0 1 0 8 14 6 6 0 1 0 8 2",
        }
    }

    /// The letter of the family that its colour is of.
    pub(super) fn family(self) -> char {
        match self {
            Self::Call => 'c',
            Self::List | Self::Choice | Self::Loop | Self::Fork => 'f',
            Self::Clock | Self::Signal => 't',
            Self::Error | Self::Shield => 'e',
            Self::Undo => 'u',
            Self::Data | Self::Condition | Self::Other => 'd',
        }
    }
}

impl Shown {
    /// The class of what is so.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Unreached => "unreached",
            Self::Waiting
            | Self::Running
            | Self::Faulted
            | Self::Compensated
            | Self::Cancelled
            | Self::Completed
            | Self::Skipped => self.name(),
        }
    }

    /// The lines of its sign, around the middle of a dot.
    pub(super) fn lines(self) -> &'static str {
        match self {
            Self::Completed => "M-3.5 0-1 2.7 3.5-2.5",
            Self::Running => "M-2-3 3 0-2 3Z",
            Self::Waiting => "M0-4V0L2.5 2",
            Self::Faulted => "M-2.7-2.7 2.7 2.700M2.7-2.7-2.7 2.7",
            Self::Compensated => "M-1-3.5-3.5-1-1 1.500M-3.5-1H1.500a2 2 0 0 1 0 4.500H0",
            Self::Cancelled => "M-3 0H3",
            Self::Skipped => "M-3-3 0 0-3 3M1-3 4 0 1 3",
            Self::Unreached => "M-3.5 0V.1M0 0V.1M3.5 0V.1",
        }
    }
}
