/** The card on the contact record: why this score, and how long is left to answer. */
// `React` by name: it builds whether JSX is compiled the old way or the new one.
import React, { useEffect, useMemo, useState } from 'react';
import {
  Alert,
  Button,
  DescriptionList,
  DescriptionListItem,
  EmptyState,
  ErrorState,
  Flex,
  Heading,
  List,
  LoadingSpinner,
  ProgressBar,
  Tag,
  Text,
  hubspot,
} from '@hubspot/ui-extensions';
import { useCrmProperties } from '@hubspot/ui-extensions/crm';
import { CAPS, PROPERTIES } from './practice';
import { TIERS, clockTime, isEmpty, read, reasonWords, timeLeft } from './reading';
import type { Factor, Reading } from './reading';

/** How often the minutes left are told anew. */
const TICK_MS = 10_000;
const NAMES: string[] = Object.values(PROPERTIES);

hubspot.extend<'crm.record.tab'>(() => <ScoreCard />);

export function ScoreCard() {
  const { properties, isLoading, error, refetch } = useCrmProperties(NAMES);
  const reading = useMemo(() => read(properties, PROPERTIES, CAPS), [properties]);
  const now = useNow();

  if (isLoading) return <LoadingSpinner label="Loading the lead score" showLabel />;
  if (error !== null) {
    return (
      <ErrorState title="The lead score could not be read">
        <Text>
          The score properties may be missing, or you may not be allowed to see them. Ask your
          administrator to run: leadscore provision
        </Text>
        <Button onClick={() => void refetch()}>Try again</Button>
      </ErrorState>
    );
  }
  if (isEmpty(properties, NAMES)) {
    return (
      <EmptyState title="No lead score yet">
        <Text>
          New inquiries are scored within seconds. If this stays empty, ask your administrator to
          run: leadscore doctor
        </Text>
      </EmptyState>
    );
  }
  return (
    <Flex direction="column" gap="medium">
      <Verdict reading={reading} />
      <Deadline reading={reading} now={now} />
      {reading.factors.length > 0 && <Factors factors={reading.factors} />}
      <Reasons reading={reading} />
      <Origin reading={reading} />
    </Flex>
  );
}

function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function Verdict({ reading }: { reading: Reading }) {
  const { tier, score, likelihood, trend } = reading;
  return (
    <>
      {tier === 'clinical' && (
        <Alert title="Possible emergency: call now" variant="danger">
          Software flagged this message; a person must judge it. Follow your practice’s emergency
          protocol. Where it says so, tell the person to call the emergency services.
        </Alert>
      )}
      <Flex direction="row" gap="small" align="center" wrap>
        {score !== undefined && <Heading>{`Lead score ${score} of 100`}</Heading>}
        {tier !== undefined && <Tag variant={TIERS[tier].tone}>{TIERS[tier].words}</Tag>}
      </Flex>
      {tier === 'clinical' && <Text>It has no score: it is not ranked among the others.</Text>}
      {tier === 'not_a_lead' && (
        <Text>This is no new inquiry, so it has no score. The reasons say where it belongs.</Text>
      )}
      {tier === 'unscored' && <Text>Too little is known of this contact to score it.</Text>}
      {trend !== undefined && <Text>{trend}</Text>}
      {likelihood !== undefined && (
        <Text>{`Of 100 inquiries like this, about ${likelihood} book.`}</Text>
      )}
    </>
  );
}

function Deadline({ reading, now }: { reading: Reading; now: Date }) {
  const { respondBy } = reading;
  if (respondBy === undefined) return null;
  const left = timeLeft(respondBy, now);
  return (
    <DescriptionList direction="row">
      <DescriptionListItem label="Respond by">
        <Text>{clockTime(respondBy)}</Text>
      </DescriptionListItem>
      <DescriptionListItem label="Time left">
        <Text format={{ fontWeight: left.isOverdue ? 'bold' : 'regular' }}>{left.words}</Text>
      </DescriptionListItem>
    </DescriptionList>
  );
}

function Factors({ factors }: { factors: Factor[] }) {
  return (
    <Flex direction="column" gap="small">
      {factors.map(({ label, points, most, words }) =>
        most === undefined ? (
          <Text key={label}>{`${label}: ${words}`}</Text>
        ) : (
          <ProgressBar
            key={label}
            title={label}
            value={Math.max(0, points)}
            maxValue={most}
            valueDescription={words}
            aria-label={`${label}: ${words}`}
          />
        ),
      )}
    </Flex>
  );
}

function Reasons({ reading }: { reading: Reading }) {
  if (reading.reasons.length === 0) return null;
  return (
    <Flex direction="column" gap="extra-small">
      <Text format={{ fontWeight: 'bold' }}>Reasons</Text>
      <List variant="unordered-styled">
        {reading.reasons.map((reason, place) => (
          <Text key={place}>{reasonWords(reason)}</Text>
        ))}
      </List>
    </Flex>
  );
}

function Origin({ reading }: { reading: Reading }) {
  const { updatedAt, model } = reading;
  const parts = [
    updatedAt === undefined ? '' : `Scored ${clockTime(updatedAt)}`,
    model === undefined ? '' : `model ${model}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? null : <Text variant="microcopy">{parts.join(' · ')}</Text>;
}
