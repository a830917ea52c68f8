// Written by `leadscore app hubspot`. Run it again rather than edit this file.

/** What we write -> the contact property it stands in. */
export const PROPERTIES = {
  "score": "lead_score",
  "tier": "lead_score_tier",
  "reasons": "lead_score_reasons",
  "inquiry": "lead_score_inquiry",
  "urgency": "lead_score_urgency",
  "insurance": "lead_score_insurance",
  "procedure": "lead_score_procedure",
  "engagement": "lead_score_engagement",
  "likelihood": "lead_score_likelihood",
  "respond_by": "lead_score_respond_by",
  "trend": "lead_score_trend",
  "updated_at": "lead_score_updated_at",
  "model": "lead_score_model"
} as const;

/** Name of a scoring model -> factor -> the most points it can give. */
export const CAPS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "general": {
    "inquiry_type": 25,
    "urgency": 20,
    "insurance": 15,
    "procedure": 20,
    "engagement": 20
  }
};
