/** Passes published changes on to leadscore. It runs as the user of its subscriber configuration. */
trigger LeadscoreChange on Leadscore_Change__e (after insert) {
    List<LeadscoreNotify.Change> changes = new List<LeadscoreNotify.Change>();
    for (Leadscore_Change__e event : Trigger.new) {
        LeadscoreNotify.Change change = new LeadscoreNotify.Change();
        change.objectName = event.Object__c;
        change.recordId = event.Record_Id__c;
        change.cause = event.Cause__c;
        changes.add(change);
    }
    LeadscoreNotify.tell(changes);
}
