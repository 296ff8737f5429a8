//! What is done when everybody is there: managers, members, and last what is taken away.

use std::collections::HashMap;

use super::Stop;
use super::apply::{Applier, Job, WAVE, denied, known};
use super::plan::{Action, Verb};
use super::state::{State, States};
use crate::target::{Difference, Target as _, TargetError, Write};

impl Applier<'_> {
    /// Sets managers, when everybody who is to be there is there. `with`: the records that were made with theirs.
    pub(super) async fn managers(
        &self,
        actions: &[&Action],
        with: &HashMap<String, String>,
        states: &mut States,
    ) -> Result<(), Stop> {
        let Some(path) = self.part.manager_path().map(str::to_owned) else { return Ok(()) };
        for wave in actions.chunks(WAVE) {
            let (mut writes, mut meant) = (Vec::new(), Vec::new());
            for action in wave {
                let Some(id) = states.target(&action.record).map(String::from) else { continue };
                let Some(Job { wanted, .. }) = self.job((*action).clone()).await? else { continue };
                let manager = match wanted.manager {
                    None => None,
                    Some(record) => match states.target(&record) {
                        Some(target) => Some(String::from(target)),
                        // Not in the target, so not to be named: the next run looks again.
                        None => continue,
                    },
                };
                if with.get(&action.record) == manager.as_ref() && manager.is_some() {
                    self.part.progress.add(1);
                    continue;
                }
                let new = manager.clone().map_or(serde_json::Value::Null, serde_json::Value::String);
                let change = Difference { path: path.clone(), old: serde_json::Value::Null, new: new.clone() };
                let mut payload = wanted.payload;
                super::difference::set(&mut payload, &path, new);
                writes.push((meant.len(), Write::Update { kind: self.part.kind, id, changes: vec![change], payload }));
                meant.push((*action, manager));
            }
            let (mut changes, mut weather) = (Vec::new(), None);
            let answers = self.in_batches(writes).await?;
            let stop = denied(answers.iter().map(|(_, answer)| answer.as_ref().map(|_| ())));
            for (place, answer) in answers {
                let Some((action, manager)) = meant.get(place) else { continue };
                match answer {
                    Ok(_) => {
                        self.tally.add(|counts| counts.updated += 1);
                        let known = known(states, &action.record).await?;
                        let known = State { manager: manager.clone(), ..known };
                        changes.push((action.record.clone(), Some(self.touched(action, known))));
                    }
                    Err(error @ TargetError::Weather { .. }) => weather = Some(Stop::Weather(error.to_string())),
                    Err(error) => changes.push(self.did_not(action, &error, states).await?),
                }
            }
            states.put(changes).await.map_err(Stop::store)?;
            if let Some(stop) = stop.or(weather) {
                return Err(stop);
            }
        }
        Ok(())
    }

    /// Brings members in and out of groups. `people`: the links of those who may be members.
    pub(super) async fn members(
        &self,
        actions: &[&Action],
        states: &mut States,
        people: &HashMap<String, String>,
    ) -> Result<(), Stop> {
        for wave in actions.chunks(WAVE) {
            let (mut writes, mut meant) = (Vec::new(), Vec::new());
            for action in wave {
                let Some(group) = states.target(&action.record).map(String::from) else { continue };
                let add: Vec<String> = action.add.iter().filter_map(|record| people.get(record).cloned()).collect();
                for add in add.chunks(Write::MEMBERS) {
                    let (id, add) = (group.clone(), add.to_vec());
                    writes.push((meant.len(), Write::Members { id, add, remove: Vec::new() }));
                    meant.push(*action);
                }
                for remove in action.remove.chunks(Write::MEMBERS) {
                    let (id, remove) = (group.clone(), remove.to_vec());
                    writes.push((meant.len(), Write::Members { id, add: Vec::new(), remove }));
                    meant.push(*action);
                }
            }
            let said: Vec<(Vec<String>, Vec<String>)> = writes
                .iter()
                .map(|(_, write)| match write {
                    Write::Members { add, remove, .. } => (add.clone(), remove.clone()),
                    _ => <_>::default(),
                })
                .collect();
            let (mut changes, mut weather) = (Vec::new(), None);
            let mut written: HashMap<String, (&Action, Vec<String>)> = HashMap::new();
            let answers = self.in_batches(writes).await?;
            let stop = denied(answers.iter().map(|(_, answer)| answer.as_ref().map(|_| ())));
            for (place, answer) in answers {
                let Some(action) = meant.get(place) else { continue };
                let Some((add, remove)) = said.get(place) else { continue };
                match answer {
                    Ok(done) => {
                        let refused = |id: &String| done.refused.iter().any(|(member, _)| member == id);
                        let added: Vec<String> = add.iter().filter(|id| !refused(id)).cloned().collect();
                        let removed: Vec<&String> = remove.iter().filter(|id| !refused(id)).collect();
                        self.tally.add(|counts| {
                            counts.members_added += added.len() as u64;
                            counts.members_removed += removed.len() as u64;
                        });
                        if !written.contains_key(&action.record) {
                            let known = known(states, &action.record).await?;
                            written.insert(action.record.clone(), (*action, known.members));
                        }
                        if let Some((_, members)) = written.get_mut(&action.record)
                            && !self.target.shows_members()
                        {
                            members.retain(|member| !removed.contains(&member) && !added.contains(member));
                            members.extend(added);
                        }
                        for (member, why) in &done.refused {
                            self.tally.failed(action, &format!("member {member:?}: {why}"));
                        }
                        if let Some((member, why)) = done.refused.first() {
                            let why = format!("member {member:?}: {why}");
                            let known = known(states, &action.record).await?;
                            changes.push((action.record.clone(), Some(self.failed(action, &why, known))));
                        }
                    }
                    Err(error @ TargetError::Weather { .. }) => weather = Some(Stop::Weather(error.to_string())),
                    Err(error) => changes.push(self.did_not(action, &error, states).await?),
                }
            }
            let refused: std::collections::HashSet<String> = changes.iter().map(|(record, _)| record.clone()).collect();
            states.put(changes).await.map_err(Stop::store)?;
            let mut changes = Vec::new();
            for (record, (action, members)) in written {
                let known = State { members, gathered: None, ..known(states, &record).await? };
                let state = if refused.contains(&record) { known } else { self.touched(action, known) };
                changes.push((record, Some(state)));
            }
            states.put(changes).await.map_err(Stop::store)?;
            if let Some(stop) = stop.or(weather) {
                return Err(stop);
            }
        }
        Ok(())
    }

    /// Shuts, removes, and gives up links.
    pub(super) async fn take_away(&self, actions: &[&Action], states: &mut States) -> Result<(), Stop> {
        for wave in actions.chunks(WAVE) {
            let (mut writes, mut changes) = (Vec::new(), Vec::new());
            for (place, action) in wave.iter().enumerate() {
                let (kind, id) = (self.part.kind, action.target.clone().unwrap_or_default());
                match action.verb {
                    Verb::Disable => writes.push((place, Write::Disable { kind, id })),
                    Verb::Delete => writes.push((place, Write::Delete { kind, id })),
                    _ => {
                        self.tally.add(|counts| counts.unlinked += 1);
                        changes.push((action.record.clone(), Some(self.was(action, "unlinked"))));
                    }
                }
            }
            let answers = self.in_batches(writes).await?;
            let mut stop = denied(answers.iter().map(|(_, answer)| answer.as_ref().map(|_| ())));
            for (place, answer) in answers {
                let Some(action) = wave.get(place) else { continue };
                match answer {
                    // What is gone already is as it is to be.
                    Ok(_) | Err(TargetError::Missing { .. }) => {
                        self.tally.add(|counts| match action.verb {
                            Verb::Disable => counts.disabled += 1,
                            _ => counts.deleted += 1,
                        });
                        let is_shut = action.verb == Verb::Disable && answer.is_ok();
                        let state = if is_shut { self.shut(action) } else { self.was(action, "deleted") };
                        changes.push((action.record.clone(), Some(state)));
                    }
                    // The link stays until the target has said that it is done.
                    Err(error @ TargetError::Weather { .. }) => stop = Some(Stop::Weather(error.to_string())),
                    Err(error) => changes.push(self.did_not(action, &error, states).await?),
                }
            }
            states.put(changes).await.map_err(Stop::store)?;
            if let Some(stop) = stop {
                return Err(stop);
            }
        }
        Ok(())
    }
}
