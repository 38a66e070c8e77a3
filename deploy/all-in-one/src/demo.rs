//! `leadline demo`: a workspace with two years of sample data, made by the services' own rules.

mod story;
mod words;

use std::time::{Duration, Instant};

use leadline_auth::{Sample, SampleColleague};
use leadline_leads::{
    backfill::{Past, Step, StepKind, backfill},
    fields::{Company, Email, Fields, Name, NoteText, Phone, Reason, Tags, Unacceptable},
    lead::LeadId,
    stage,
};
use leadline_reminders::{PastReminder, reminder};
use leadline_runtime::{
    caller::{Role, Scope},
    config::{Setting, Settings},
    ids::{UserId, uuid_at},
    program::{Failure, announce},
    time::Millis,
    zone::Zone,
};

use crate::Services;
use story::{Source, Stage, Story};

const LEADS: Setting =
    Setting::new("LEADLINE_DEMO_LEADS", "4000", "About how many leads to make, 1 to 1,000,000");
const TIMEZONE: Setting =
    Setting::new("LEADLINE_DEMO_TIMEZONE", "Europe/Berlin", "The IANA time zone of the sample workspace");

/// The settings that only `leadline demo` has.
pub(crate) const SETTINGS: &[Setting] = &[LEADS, TIMEZONE];

const EMAIL: &str = "demo@leadline.test";
/// The owner and their colleagues: whoever works on leads.
const TEAM: [(&str, &str, Role); 5] = [
    ("Amara Obi", EMAIL, Role::Owner),
    ("Jonas Weber", "jonas@leadline.test", Role::Admin),
    ("Mei Tanaka", "mei@leadline.test", Role::Member),
    ("Lucía Moreno", "lucia@leadline.test", Role::Member),
    ("Priya Nair", "priya@leadline.test", Role::Member),
];

/// What to make.
pub(crate) struct Config {
    leads: usize,
    zone: Zone,
}

impl Config {
    /// Reads the settings; faults are noted there.
    pub(crate) fn read(settings: &mut Settings) -> Option<Self> {
        let leads = settings.require(&LEADS, |text| match text.parse() {
            Ok(leads) if (1..=1_000_000).contains(&leads) => Ok(leads),
            _ => Err("must be a number from 1 to 1,000,000"),
        });
        let zone = settings.require(&TIMEZONE, Zone::parse);
        Some(Self { leads: leads?, zone: zone? })
    }
}

/// Fills the sample workspace, unless it has been, and tells how to sign in. Returns when every figure counts the new leads.
///
/// # Errors
/// What a service said.
pub(crate) async fn fill(services: &Services, config: Config) -> Result<(), Failure> {
    let (started, now) = (Instant::now(), Millis::now());
    let people = services.auth.sample(&sample(&config, now)).await?;
    if people.is_new {
        let team: Vec<UserId> = std::iter::once(people.owner).chain(people.colleagues).collect();
        let scope = Scope::of_own_row(people.workspace);
        announce(&format!("Making two years of sample data: about {} leads …", config.leads));
        let stories = story::tell(story::seed_of(now), config.leads, team.len(), config.zone, now);
        let past = stories.iter().map(|story| past(story, &team)).collect::<Result<Vec<_>, _>>()?;
        let leads = backfill(services.leads.store.as_ref(), scope, past).await.map_err(Failure::new)?;
        let reminders: Vec<PastReminder> = stories
            .iter()
            .zip(&leads)
            .flat_map(|(story, lead)| {
                story.reminders.iter().map(|promise| past_reminder(promise, lead, &team))
            })
            .collect();
        services.reminders.backfill(scope, &reminders).await?;
        drain(services).await?;
        announce(&format!(
            "{} leads and {} reminders in {:.1} seconds.",
            leads.len(),
            reminders.len(),
            started.elapsed().as_secs_f32()
        ));
    } else {
        announce("The sample workspace is there already; it has a new password.");
    }
    announce(&format!("Sign in as {EMAIL} with the password {}", people.password));
    Ok(())
}

fn sample(config: &Config, now: Millis) -> Sample {
    let began = now.before(Duration::from_secs(731 * 24 * 3600));
    let colleague = |(index, (name, email, role)): (usize, &(&str, &str, Role))| SampleColleague {
        name: (*name).to_owned(),
        email: (*email).to_owned(),
        role: *role,
        joined_at: began.after(Duration::from_secs(3600 * index as u64)),
    };
    Sample {
        name: TEAM[0].0.to_owned(),
        email: EMAIL.to_owned(),
        workspace: "Northlight Software".to_owned(),
        timezone: config.zone.name().to_owned(),
        created_at: began,
        colleagues: TEAM.iter().enumerate().skip(1).map(colleague).collect(),
    }
}

/// A story as the leads service takes it.
fn past(story: &Story, team: &[UserId]) -> Result<Past, Unacceptable> {
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let fields = Fields {
        name: Name::parse(&story.name)?,
        email: story.email.as_deref().map(Email::parse).transpose()?,
        phone: Phone::parse(&optional(&story.phone))?,
        company: Company::parse(&optional(&story.company))?,
        source: match story.source {
            Source::Website => stage::Source::Website,
            Source::Referral => stage::Source::Referral,
            Source::Ad => stage::Source::Ad,
            Source::Other => stage::Source::Other,
        },
        status: stage::Status::New,
        tags: Tags::stored(story.tags.iter().map(|tag| (*tag).to_owned()).collect()),
        owner: story.owner.map(|owner| team[owner]),
    };
    let mut steps = Vec::with_capacity(story.moves.len() + story.notes.len());
    for step in &story.moves {
        let to = match step.to {
            Stage::Contacted => stage::Status::Contacted,
            Stage::Qualified => stage::Status::Qualified,
            Stage::Converted => stage::Status::Converted,
            Stage::Lost => stage::Status::Lost,
        };
        let reason = Reason::parse(step.reason.unwrap_or_default())?;
        steps.push(Step { at: step.at, actor: team[step.by], what: StepKind::Move { to, reason } });
    }
    for note in &story.notes {
        steps.push(Step {
            at: note.at,
            actor: team[note.by],
            what: StepKind::Note(NoteText::parse(&note.text)?),
        });
    }
    steps.sort_by_key(|step| step.at);
    Ok(Past {
        id: LeadId::from(uuid_at(story.created_at)),
        fields,
        created_by: team[story.author],
        created_at: story.created_at,
        steps,
    })
}

fn past_reminder(
    promise: &story::Promise,
    lead: &leadline_leads::lead::Lead,
    team: &[UserId],
) -> PastReminder {
    PastReminder {
        lead: reminder::LeadId::from(lead.id.uuid()),
        lead_name: lead.fields.name.as_str().to_owned(),
        lead_version: lead.version.0,
        due_at: promise.due_at,
        message: promise.message.to_owned(),
        assignee: team[promise.by],
        created_by: team[promise.by],
        created_at: promise.made_at,
        done_at: promise.done_at,
    }
}

/// Waits until what was written is published, which in memory means: counted.
async fn drain(services: &Services) -> Result<(), Failure> {
    let outboxes = [services.leads.store.outbox(), services.reminders.outbox()];
    loop {
        let mut depth = 0;
        for outbox in &outboxes {
            depth += outbox.backlog().await.map_err(Failure::new)?.depth;
        }
        if depth == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
