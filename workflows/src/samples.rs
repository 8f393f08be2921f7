//! Sample data that the product ships: what the demo launches.

use promptsales_actors::lead::Details;
use promptsales_actors::value::{Brief, ImportedBrief};
use serde_json::Value;

/// The sample campaigns as documents, in the shape that document stores hold campaigns in.
pub const CAMPAIGNS: &str = include_str!("../samples/campaigns.json");

/// The sample leads, each the body of a `register`.
pub const LEADS: &str = include_str!("../samples/leads.json");

/// The sample data.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Campaigns. The budget of the first is within its spend limit, that of the second above it.
    pub campaigns: Vec<ImportedBrief>,
    /// Leads that came from them.
    pub leads: Vec<Details>,
}

/// Reads the sample data.
pub fn samples() -> Samples {
    let documents: Vec<Value> = serde_json::from_str(CAMPAIGNS).expect("a test reads the sample campaigns");
    let brief = |document| Brief::from_document(document).expect("a test reads the sample campaigns");
    let leads = serde_json::from_str(LEADS).expect("a test reads the sample leads");
    Samples { campaigns: documents.iter().map(brief).collect(), leads }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_can_be_launched() {
        let samples = samples();
        for imported in &samples.campaigns {
            assert!(imported.notes.is_empty(), "{:?}", imported.notes);
            assert!(imported.key.is_some());
            assert!(imported.brief.pieces().is_ok());
        }
        assert!(!samples.campaigns[0].brief.needs_approval());
        assert!(samples.campaigns[1].brief.needs_approval());
        assert_eq!(samples.leads.len(), 3);
        for lead in &samples.leads {
            assert!(lead.phone.as_ref().is_none_or(|phone| phone.expose().check().is_ok()));
        }
    }
}
