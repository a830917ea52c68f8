"""Salesforce: Outbound Messages in, sObject collections out."""
