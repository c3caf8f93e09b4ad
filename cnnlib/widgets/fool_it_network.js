// What the network is asked: a photograph's walk along a gradient, and a picture's climb to a class.

import { BEST, climbed, noise, rolled, shiftOf, stepped, CLIMB, STEPS, whole } from "./fool_it_sums.js";
import { bestOf, softmax } from "./live/answers.js";
import { inputOf, pictureOf, slopeOf } from "./live/planes.js";

// The photograph's walk: {follow(state, picture), next(), record(number), own(), length()}. A record is
// {planes, best, shares}, of whole greys. `picture`: {id, planes, best}, `best` null if it is not known.
export function walkOf() {
  let [key, picture, want] = ["", null, null];
  let [records, present] = [[], null];

  const answer = (planes, scores) => {
    const shares = softmax(scores);
    return { planes, shares, best: bestOf(shares, BEST) };
  };

  return {
    follow(state, shown) {
      const { way, target, rule, size, budget } = state;
      const wanted = shown ? JSON.stringify([shown.id, way, way === "away" || target, rule, size, budget]) : "";
      if (wanted !== key) [key, records, present] = [wanted, [], shown?.planes ?? null];
      [picture, want] = [shown, state];
    },

    // The class that is aimed at, or left; null while that is not known.
    aim: () => (want?.way === "towards" ? want.target : picture?.best?.[0][0] ?? null),

    next() {
      if (!picture || records.length > Math.min(want.steps, STEPS)) return null;
      const [mine, own, started] = [key, picture, present];
      const away = want.way === "away";
      if (away && !own.best) {
        return async (network) => {
          const { scores } = await network.run(inputOf(own.planes, network.preprocessing));
          own.best = bestOf(softmax(scores), BEST);
        };
      }
      const target = this.aim();
      const how = { ...want, away };
      return async (network) => {
        const planes = whole(started);
        const back = await network.gradient(inputOf(planes, network.preprocessing), { target, logarithm: true });
        if (mine !== key) return;
        records.push(answer(planes, back.scores));
        own.best ??= records[0].best;
        present = stepped(started, slopeOf(back.image, network.preprocessing), own.planes, how);
      };
    },

    // What is known of step `number`, or of the last step before it.
    record: (number) => records[Math.min(number, records.length - 1)] ?? null,
    reached: () => records.length - 1,
  };
}

// The picture made for a class: {follow(aim, helps, climb), next(), shown()}. shown(): {planes, share,
// number}: `share` is the class's own at the picture that is seen, null where it has not been asked.
export function climbOf() {
  let [key, aim, helps, climb] = ["", null, "soft", 0];
  let [input, records] = [null, []];
  let start = null;

  return {
    follow(nextAim, nextHelps, nextClimb) {
      const wanted = JSON.stringify([nextAim, nextHelps]);
      if (wanted !== key) [input, records] = [null, []];
      [key, aim, helps, climb] = [wanted, nextAim, nextHelps, nextClimb];
    },

    next() {
      if (aim === null || climb === 0 || records.length > climb) return null;
      const [mine, number, target, how] = [key, records.length, aim, helps];
      start ??= noise();
      const from = input ?? start;
      return async (network) => {
        const planes = whole(pictureOf(from, network.preprocessing)).map((grey) => Math.min(Math.max(grey, 0), 255));
        const { scores } = await network.run(inputOf(planes, network.preprocessing));
        const shift = shiftOf(how, number);
        const back = await network.gradient(rolled(from, shift), { target });
        if (mine !== key) return;
        records.push({ planes: new Uint8ClampedArray(planes), share: softmax(scores)[target] });
        input = climbed(from, back.image, shift, how, number === CLIMB - 1);
      };
    },

    shown() {
      const number = Math.min(climb, records.length - 1);
      return records[number] ? { ...records[number], number } : null;
    },
  };
}
