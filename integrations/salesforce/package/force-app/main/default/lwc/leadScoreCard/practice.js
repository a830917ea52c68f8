// Written by `leadscore app salesforce`. Run it again rather than edit this file.

/** What we write -> the field it stands in. */
export const FIELDS = Object.freeze({
  "score": "Lead_Score__c",
  "tier": "Lead_Score_Tier__c",
  "reasons": "Lead_Score_Reasons__c",
  "inquiry": "Lead_Score_Inquiry__c",
  "urgency": "Lead_Score_Urgency__c",
  "insurance": "Lead_Score_Insurance__c",
  "procedure": "Lead_Score_Procedure__c",
  "engagement": "Lead_Score_Engagement__c",
  "likelihood": "Lead_Score_Likelihood__c",
  "respond_by": "Lead_Score_Respond_By__c",
  "trend": "Lead_Score_Trend__c",
  "updated_at": "Lead_Score_Updated_At__c",
  "model": "Lead_Score_Model__c"
});

/** Name of a scoring model -> factor -> the most points it can give. */
export const CAPS = Object.freeze({
  "general": {
    "inquiry_type": 25,
    "urgency": 20,
    "insurance": 15,
    "procedure": 20,
    "engagement": 20
  }
});
