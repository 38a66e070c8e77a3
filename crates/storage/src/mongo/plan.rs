//! Reading the server's query plans.

use bson::{Bson, Document};

/// The stages of the winning plan, outermost first, each with its index if it has one: `["FETCH", "IXSCAN by_status"]`. A test
/// asserts that none is `COLLSCAN` or `SORT`, and which index serves.
pub fn plan_stages(explained: &Document) -> Vec<String> {
    let mut stages = Vec::new();
    collect(explained, &mut stages);
    stages
}

fn collect(part: &Document, stages: &mut Vec<String>) {
    if let Ok(stage) = part.get_str("stage") {
        stages.push(match part.get_str("indexName") {
            Ok(index) => format!("{stage} {index}"),
            Err(_) => stage.to_owned(),
        });
    }
    for (key, value) in part {
        // The plans not taken, the same plan in the machine's own words, and what the client sent.
        if ["rejectedPlans", "slotBasedPlan", "command", "parsedQuery"].contains(&key.as_str()) {
            continue;
        }
        match value {
            Bson::Document(inner) => collect(inner, stages),
            Bson::Array(items) => {
                items.iter().filter_map(Bson::as_document).for_each(|inner| collect(inner, stages));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn rejected_plans_are_not_listed() {
        let explained = doc! { "queryPlanner": {
            "parsedQuery": { "stage": "x" },
            "winningPlan": { "stage": "FETCH", "inputStage": { "stage": "IXSCAN", "indexName": "by_status" } },
            "rejectedPlans": [{ "stage": "COLLSCAN" }],
        } };
        assert_eq!(plan_stages(&explained), ["FETCH", "IXSCAN by_status"]);
    }
}
