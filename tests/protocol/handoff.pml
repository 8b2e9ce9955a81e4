/*
 * The hand-off of proto/README.md, both sides, for spin; tests/protocol/explore runs it.
 *
 * Two hand-offs at once, joins that end and are made again, restarts of either side. Each row of
 * the tables in sections 3 and 4 is one step here, under the tables' names.
 *
 * - Messages. By default the network is as bad as can be: what was ever sent may arrive at any
 *   time, in any order, any number of times or never. What its receiver drops has no effect and is
 *   left out. -DORDERLY has the transport of section 2 instead, in order and whole until the join
 *   ends, and claims that nothing arrives that its receiver does not expect.
 * - Time. A deadline may pass at any moment, so that every order of deadlines is explored.
 * - Puts. A hand-off is of one block, which is whole after PUTS puts. A put under way lands or
 *   fails at any moment until P has disconnected or ended; nothing that D does prevents it. With
 *   -DREMOTE, P is on another host: D never has proof, and puts may land even after P's end.
 * - Assumed. The quarantine's deadline is longer than P needs to notice the end of the join and to
 *   disconnect, and than puts of an ended process are on their way. D can see neither: hand-offs
 *   are as safe as that deadline is long, and QUARANTINE_TOO_SHORT shows what comes of it else.
 *   That Disconnect() ends all puts is the transport's promise.
 * - The end. At some moment it may become `quiet`: no message arrives, no engine works, no put
 *   ends, nobody cancels or joins, and one side may stand still. Wherever nothing can happen any
 *   more, all must be AT_REST, and there are no cycles (-DNP): so every hand-off ends, on either
 *   side, by that side's deadlines alone if need be.
 * - Simplified. A D that has ended is let drop what it left behind, and messages that nobody can
 *   hear are forgotten; -DRAW=true leaves both as they are, for fewer hand-offs.
 *
 * The six invariants stand where they are asserted. Every DEFECT must break one.
 */
#ifndef JOINS
#define JOINS 2
#endif
#ifndef D_RESTARTS
#define D_RESTARTS 1
#endif
#ifndef P_RESTARTS
#define P_RESTARTS 1
#endif
#ifndef CUTS
#define CUTS 1
#endif
#ifndef OFFERS
#define OFFERS 2 /* in one epoch of D */
#endif
#ifndef RAW
#define RAW false
#endif
#define HANDOFFS 2 /* at most, and D's blocks */
#ifndef PUTS
#define PUTS 2
#endif
#define P_TABLE 2 /* hand-offs that P takes at once */
#define NONE 255

/* Seeded by -DDEFECT=<name>. */
#define RELEASE_WITHOUT_ACK 1   /* D frees its blocks as soon as it gives up */
#define FREE_ON_DISCONNECT 2    /* or loses P */
#define QUARANTINE_TOO_SHORT 3  /* the assumption above does not hold */
#define COMMIT_AFTER_ABORT 4    /* D takes a commit that crossed its abort */
#define NO_LEASE 5              /* D waits for P for ever */
#define NO_ABORT_DEADLINE 6     /* and for its acknowledgement */
#define COMMIT_BEFORE_FLUSH 7   /* P commits when the last put has begun */
#define ACK_BEFORE_FLUSH 8      /* P acknowledges while puts are under way */
#define UNPIN_AT_ABORT 9        /* P gives its blocks back while puts read them */
#define NO_STALL_LIMIT 10       /* P waits for its engine for ever */
#define NO_TRANSFER_LIMIT 11    /* and for its puts */
#define NO_TABLE_LIMIT 12       /* P takes every offer */
#define ACCEPT_REPEATED_OFFER 13 /* and the same one twice */
#define ACCEPT_STALE 14         /* neither side compares epochs and connections */
#ifndef DEFECT
#define DEFECT 0
#endif

mtype:decode = { d_offered, d_aborting, d_quarantined, d_gone };
mtype:prefill = { p_queued, p_prefilling, p_flushing, p_aborting, p_gone };
mtype:message = { Offer, Refuse, Progress, Commit, AbortByDecode, AbortByPrefill, AbortAck };

/* Joins, numbered as they are made: the number stands for the connection and both epochs. */
byte joins;
byte d_epoch, p_epoch;
byte of_d[JOINS], of_p[JOINS];
bit open[JOINS]; /* the stream */
byte d_holds = NONE;
bit p_holds[JOINS];
#define D_ENDED(j) (of_d[j] != d_epoch)
#define P_ENDED(j) (of_p[j] != p_epoch)

/* D's hand-offs and blocks, of its present epoch. */
mtype:decode d_state[HANDOFFS] = d_gone;
byte d_join[HANDOFFS];
bit d_progressed[HANDOFFS];
byte d_offers;
#define FREE 0
#define SEQUENCE 1
#define RESERVED(h) (2 + (h))
byte owner[HANDOFFS];
byte written[HANDOFFS]; /* puts that landed for the present owner */

/* P's hand-offs, by join and id. */
#define AT(j, h) ((j) * HANDOFFS + (h))
#define ENTRIES (JOINS * HANDOFFS)
byte block_of[ENTRIES]; /* that was offered */
mtype:prefill p_state[ENTRIES] = p_gone;
byte p_begun[ENTRIES];     /* puts, of PUTS */
byte p_under_way[ENTRIES]; /* of those */
bit p_progressed[ENTRIES];
byte p_last_offer[JOINS]; /* id + 1 */
byte p_table;

#ifndef QUIET
#define QUIET true
#endif
bit quiet;
bit d_stands, p_stands; /* a stopped process, of which nobody hears */
byte cuts;
byte i; /* of loops; 0 between steps */

#define P_LIVE(e) (p_state[e] != p_gone)
#define D_LIVE(h) (d_state[h] != d_gone)

/* Messages of hand-off h over join j. */
#ifdef ORDERLY
chan to_d[JOINS] = [4 * HANDOFFS] of { mtype:message, byte };
chan to_p[JOINS] = [2 * HANDOFFS] of { mtype:message, byte };
#define ARRIVED(to, j, kind, h) (!quiet && to[j]?[kind, eval(h)])
#define TAKE(to, j, kind, h) to[j]?kind, eval(h)
#define D_WOULD_HEAR(j, kind, h) (d_holds == j)
inline ToD(j, kind, h) {
  if
  :: d_holds == j ->
     assert(nfull(to_d[j])); /* bounded */
     to_d[j]!kind, h
  :: else
  fi
}
inline ToP(j, kind, h) {
  if
  :: p_holds[j] ->
     assert(nfull(to_p[j])); /* bounded */
     to_p[j]!kind, h
  :: else
  fi
}
inline Forget(messages) {
  do
  :: nempty(messages) -> messages?_, _
  :: empty(messages) -> break
  od
}
#define ForgetToD(j) Forget(to_d[j])
#define ForgetToP(j) Forget(to_p[j])
#define ForgetToDOf(j, h) skip
#define ForgetOffer(j, h) skip
#else
/* A message is heard over its own join alone: that is what epochs and connection are compared for.
 * Those that nobody can hear any more are forgotten, to have fewer states. */
short sent[JOINS];
#define BIT(kind, h) (1 << (2 * ((kind) - 1) + (h)))
#define ARRIVED(to, j, kind, h) \
  (!quiet && ((DEFECT == ACCEPT_STALE -> sent[0] | sent[JOINS - 1] : sent[j]) & BIT(kind, h)))
#define TAKE(to, j, kind, h) skip
#define D_WOULD_HEAR(j, kind, h) \
  ((RAW || DEFECT == ACCEPT_STALE || (d_holds == j && D_LIVE(h))) && !(sent[j] & BIT(kind, h)))
inline ToD(j, kind, h) {
  if
  :: D_WOULD_HEAR(j, kind, h) -> sent[j] = sent[j] | BIT(kind, h)
  :: else
  fi
}
inline ToP(j, kind, h) {
  if
  :: RAW || DEFECT == ACCEPT_STALE || p_holds[j] -> sent[j] = sent[j] | BIT(kind, h)
  :: else
  fi
}
#define TO_D(h) \
  (BIT(Refuse, h) | BIT(Progress, h) | BIT(Commit, h) | BIT(AbortByPrefill, h) | BIT(AbortAck, h))
#define TO_P(h) (BIT(Offer, h) | BIT(AbortByDecode, h))
inline Forget(j, messages) {
  if
  :: RAW || DEFECT == ACCEPT_STALE || DEFECT == ACCEPT_REPEATED_OFFER
  :: else -> sent[j] = sent[j] & ~(messages)
  fi
}
#define ForgetToD(j) Forget(j, TO_D(0) | TO_D(1))
#define ForgetToP(j) Forget(j, TO_P(0) | TO_P(1))
#define ForgetToDOf(j, h) Forget(j, TO_D(h))
#define ForgetOffer(j, h) Forget(j, BIT(Offer, h) | BIT(Offer, 0))
#endif

/* ---------------------------------------------------------------- D */
#define D_ENTRY AT(d_join[h], h)
#define D_BLOCK block_of[D_ENTRY]
#define D_JOINED (d_holds != NONE && d_holds == d_join[h])
#define D_HEARS(kind) (D_JOINED && ARRIVED(to_d, d_join[h], kind, h))
#define D_TAKES(kind) TAKE(to_d, d_join[h], kind, h)

inline D_Gone(h) {
  ForgetToDOf(d_join[h], h);
  d_progressed[h] = 0;
  d_join[h] = 0;
  d_state[h] = d_gone
}

inline D_Free(h) {
  assert(owner[D_BLOCK] == RESERVED(h)); /* one owner */
  assert(p_under_way[D_ENTRY] == 0);     /* release late */
  owner[D_BLOCK] = FREE;
  written[D_BLOCK] = 0;
  D_Gone(h)
}

inline D_Abort(h) {
  d_progressed[h] = 0;
  if
  :: D_JOINED -> ToP(d_join[h], AbortByDecode, h)
  :: else
  fi;
  if
  :: DEFECT == RELEASE_WITHOUT_ACK -> D_Free(h)
  :: else -> d_state[h] = d_aborting
  fi
}

/* The join ends for D, and with it all hand-offs over it. */
inline D_Lose() {
  for (i : 0 .. HANDOFFS - 1) {
    if
    :: d_join[i] == d_holds && (d_state[i] == d_offered || d_state[i] == d_aborting) ->
       d_progressed[i] = 0;
       if
       :: DEFECT == FREE_ON_DISCONNECT -> D_Free(i)
       :: else -> d_state[i] = d_quarantined
       fi
    :: else
    fi
  }
  i = 0;
  ForgetToD(d_holds);
  open[d_holds] = 0;
  d_holds = NONE
}

#define D_AWAITS_COMMIT \
  (d_state[h] == d_offered || (DEFECT == COMMIT_AFTER_ABORT && d_state[h] == d_aborting))

/* What an orderly transport never brings. */
#define D_UNEXPECTED                                                                   \
  (d_holds != NONE && ((d_state[h] == d_offered && D_HEARS(AbortAck)) ||                \
                       (d_progressed[h] && D_HEARS(Refuse)) ||                          \
                       (d_state[h] == d_gone && (ARRIVED(to_d, d_holds, Refuse, h) ||   \
                                                 ARRIVED(to_d, d_holds, Progress, h) || \
                                                 ARRIVED(to_d, d_holds, Commit, h) ||   \
                                                 ARRIVED(to_d, d_holds, AbortByPrefill, h)))))

proctype Decode(byte h) provided (!d_stands) {
end:
  do
  :: d_step { !quiet && d_holds != NONE && d_offers == h && h < OFFERS &&
    (owner[0] == FREE || owner[1] == FREE) ->
    d_join[h] = d_holds;
    D_BLOCK = (owner[0] == FREE -> 0 : 1);
    owner[D_BLOCK] = RESERVED(h);
    d_offers++;
    ToP(d_join[h], Offer, h);
    d_state[h] = d_offered }
  :: d_step { d_state[h] == d_offered && !d_progressed[h] && D_HEARS(Progress) ->
    D_TAKES(Progress);
    d_progressed[h] = 1 }
  :: d_step { d_state[h] == d_offered && !d_progressed[h] && D_HEARS(Refuse) ->
    D_TAKES(Refuse);
    D_Free(h) }
  :: d_step { D_AWAITS_COMMIT && D_HEARS(Commit) ->
    D_TAKES(Commit);
    assert(owner[D_BLOCK] == RESERVED(h)); /* one owner */
    assert(d_state[h] == d_offered);       /* one owner: it is not given up */
    assert(written[D_BLOCK] == PUTS);      /* no early decode */
    owner[D_BLOCK] = SEQUENCE;
    D_Gone(h) }
  :: d_step { d_state[h] == d_offered && D_HEARS(Commit) -> /* but a checksum is wrong */
    D_TAKES(Commit);
    D_Abort(h) }
  :: d_step { d_state[h] == d_offered && (DEFECT != NO_LEASE || !quiet) ->
    D_Abort(h) } /* cancelled, or the deadline */
  :: d_step { d_state[h] == d_offered && D_HEARS(AbortByPrefill) ->
    D_TAKES(AbortByPrefill);
    d_state[h] = d_aborting }
  :: d_step { d_state[h] == d_aborting && D_HEARS(AbortAck) ->
    D_TAKES(AbortAck);
    D_Free(h) }
  :: d_step { d_state[h] == d_aborting && D_JOINED && DEFECT != NO_ABORT_DEADLINE ->
    D_Lose() } /* deadline: P is stuck */
#ifndef REMOTE
  :: d_step { d_state[h] == d_quarantined && P_ENDED(d_join[h]) -> D_Free(h) } /* proof */
#endif
  :: d_step { d_state[h] == d_quarantined && (DEFECT == QUARANTINE_TOO_SHORT ||
    (!p_holds[d_join[h]] && p_under_way[D_ENTRY] == 0)) ->
    D_Free(h) } /* deadline */
#ifdef ORDERLY
  :: d_step { d_state[h] == d_aborting && D_HEARS(Refuse) -> D_TAKES(Refuse) } /* crossed */
  :: d_step { d_state[h] == d_aborting && D_HEARS(Progress) -> D_TAKES(Progress) }
  :: d_step { d_state[h] == d_aborting && D_HEARS(Commit) -> D_TAKES(Commit) }
  :: d_step { d_state[h] == d_aborting && D_HEARS(AbortByPrefill) -> D_TAKES(AbortByPrefill) }
  :: d_step { d_state[h] == d_gone && d_holds != NONE && ARRIVED(to_d, d_holds, AbortAck, h) ->
    TAKE(to_d, d_holds, AbortAck, h) }
  :: d_step { D_UNEXPECTED -> assert(false) }
#endif
  od
}

/* ---------------------------------------------------------------- P */
#define E AT(j, h)
#define P_WORKS_AT(e) (P_LIVE(e) && p_state[e] != p_aborting)
#define P_WORKS P_WORKS_AT(E)
#define P_HEARS(kind) (p_holds[j] && ARRIVED(to_p, j, kind, h))
#define P_TAKES(kind) TAKE(to_p, j, kind, h)

inline P_Put() {
  p_begun[E]++;
  p_under_way[E]++
}

inline P_End(e) {
  assert(p_under_way[e] == 0); /* pinned while moving */
  p_begun[e] = 0;
  p_progressed[e] = 0;
  p_table--;
  p_state[e] = p_gone
}

/* Commits or acknowledges when the last put has ended. */
inline P_FinishIfFlushed(j, h) {
  if
  :: p_under_way[AT(j, h)] == 0 && p_state[AT(j, h)] == p_flushing ->
     ToD(j, Commit, h);
     P_End(AT(j, h))
  :: (p_under_way[AT(j, h)] == 0 || DEFECT == UNPIN_AT_ABORT) && p_state[AT(j, h)] == p_aborting ->
     if
     :: p_holds[j] -> ToD(j, AbortAck, h)
     :: else
     fi;
     P_End(AT(j, h))
  :: else
  fi
}

inline P_Abort(j, h, tell) {
  if
  :: tell && p_holds[j] -> ToD(j, AbortByPrefill, h)
  :: else
  fi;
  p_begun[AT(j, h)] = 0;
  p_progressed[AT(j, h)] = 0;
  p_state[AT(j, h)] = p_aborting;
  if
  :: DEFECT == ACK_BEFORE_FLUSH && p_holds[j] -> ToD(j, AbortAck, h)
  :: else
  fi;
  P_FinishIfFlushed(j, h)
}

/* A put's bytes reach D's memory, if that is still there. */
inline Land(j, h) {
  if
  :: !D_ENDED(j) ->
     assert(owner[block_of[E]] == RESERVED(h) && d_join[h] == j); /* release late, one owner */
     written[block_of[E]]++
  :: else
  fi;
  p_under_way[E]--
}

#define P_IS_NEW \
  (h + 1 > p_last_offer[j] || (DEFECT == ACCEPT_REPEATED_OFFER && !P_LIVE(E)))

#define P_UNEXPECTED \
  ((P_HEARS(Offer) && !P_IS_NEW) || (P_HEARS(AbortByDecode) && h + 1 > p_last_offer[j]))
/* See Simplify. */
#define P_GOES_ON (RAW || !D_ENDED(j))

proctype Prefill(byte j, h) provided (!p_stands) {
end:
  do
  :: d_step { P_HEARS(Offer) && P_IS_NEW && (p_table < P_TABLE || DEFECT == NO_TABLE_LIMIT) ->
    P_TAKES(Offer);
    p_last_offer[j] = (h + 1 > p_last_offer[j] -> h + 1 : p_last_offer[j]);
    ForgetOffer(j, h);
    p_table++;
    assert(p_table <= P_TABLE); /* bounded */
    p_state[E] = p_queued }
  :: d_step { P_HEARS(Offer) && P_IS_NEW -> /* and is refused */
    P_TAKES(Offer);
    p_last_offer[j] = (h + 1 > p_last_offer[j] -> h + 1 : p_last_offer[j]);
    ForgetOffer(j, h);
    ToD(j, Refuse, h);
    p_state[E] = p_gone }
  :: d_step { p_state[E] == p_queued && !quiet && P_GOES_ON -> /* the engine has blocks */
    p_state[E] = p_prefilling }
  :: d_step { p_state[E] == p_prefilling && p_begun[E] + 1 < PUTS && !quiet -> P_Put() }
  :: d_step { p_state[E] == p_prefilling && !quiet -> /* all KV is computed */
    do
    :: p_begun[E] < PUTS -> P_Put()
    :: else -> break
    od;
    p_begun[E] = 0;
    p_state[E] = p_flushing;
    if
    :: DEFECT == COMMIT_BEFORE_FLUSH -> ToD(j, Commit, h)
    :: else
    fi;
    P_FinishIfFlushed(j, h) }
  :: d_step { P_LIVE(E) && p_under_way[E] > 0 && p_holds[j] && !quiet -> /* a put is flushed */
    Land(j, h);
    P_FinishIfFlushed(j, h) }
  :: d_step { P_LIVE(E) && p_under_way[E] > 0 && (!p_holds[j] || !quiet) -> /* a put fails */
    p_under_way[E]--;
    if
    :: p_state[E] != p_aborting -> P_Abort(j, h, true)
    :: else -> P_FinishIfFlushed(j, h)
    fi }
  :: d_step { P_WORKS && p_holds[j] && !p_progressed[E] && !quiet && P_GOES_ON ->
    p_progressed[E] = 1;
    ToD(j, Progress, h) } /* a third of the lease; once is enough to explore */
  :: d_step { P_WORKS && P_HEARS(AbortByDecode) ->
    P_TAKES(AbortByDecode);
    P_Abort(j, h, false) }
  :: d_step { !P_LIVE(E) && h + 1 <= p_last_offer[j] && P_HEARS(AbortByDecode) &&
    D_WOULD_HEAR(j, AbortAck, h) ->
    P_TAKES(AbortByDecode);
    ToD(j, AbortAck, h) }
  :: d_step { (p_state[E] == p_queued || p_state[E] == p_prefilling) &&
    (DEFECT != NO_STALL_LIMIT || !quiet) ->
    P_Abort(j, h, true) } /* the engine fails, or the deadline */
  :: d_step { p_state[E] == p_flushing && DEFECT != NO_TRANSFER_LIMIT ->
    P_Abort(j, h, true);
    open[j] = 0 } /* deadline: D is stuck */
  :: d_step { p_state[E] == p_aborting && p_holds[j] && open[j] && DEFECT != NO_TRANSFER_LIMIT ->
    open[j] = 0 } /* the same */
#ifdef REMOTE
  :: d_step { P_ENDED(j) && p_under_way[E] > 0 && !quiet -> Land(j, h) }
  :: d_step { P_ENDED(j) && p_under_way[E] > 0 -> p_under_way[E]-- }
#endif
#ifdef ORDERLY
  :: d_step { p_state[E] == p_aborting && P_HEARS(AbortByDecode) -> P_TAKES(AbortByDecode) }
  :: d_step { P_UNEXPECTED -> assert(false) }
#endif
  od
}

/* ---------------------------------------------------------------- both */
/* Section 1: P connects and answers, then D connects. Either side notices the end in its time, and
 * refuses to join a peer that it is joined with. */
#define KNOWN(j) ((open[j] || p_holds[j]) && of_d[j] == d_epoch)

proctype Join(byte j) {
end:
  do
  :: d_step { !quiet && joins == j && d_holds == NONE &&
    !(j > 0 && KNOWN(0)) && !(j > 1 && KNOWN(1)) ->
    of_d[j] = d_epoch;
    of_p[j] = p_epoch;
    joins++;
    p_holds[j] = 1;
    open[j] = 1 }
  :: d_step { !quiet && open[j] && d_holds == NONE -> d_holds = j }
  :: d_step { !open[j] && d_holds == j && !d_stands -> D_Lose() }
  :: d_step { !open[j] && p_holds[j] && !p_stands ->
    p_holds[j] = 0;
    p_last_offer[j] = 0;
    ForgetToP(j);
    for (i : 0 .. HANDOFFS - 1) {
      if
      :: P_WORKS_AT(AT(j, i)) -> P_Abort(j, i, false)
      :: else
      fi
    };
    i = 0 }
  :: d_step { open[j] && cuts < CUTS && !quiet -> /* cut */
    open[j] = 0;
    cuts++ }
  od
}

/* Where the other side stands still, D's blocks stay in quarantine, by the assumption above. */
#define AT_REST ((p_table == 0 || p_stands) && ((D_RESTS(0) && D_RESTS(1)) || d_stands))
#define D_RESTS(h) (!D_LIVE(h) || (p_stands && d_state[h] == d_quarantined))
#define ORPHAN(b) (owner[b] >= RESERVED(0) && !D_LIVE(owner[b] - RESERVED(0)))

inline EndJoins() {
  for (i : 0 .. JOINS - 1) {
    if
    :: D_ENDED(i) || P_ENDED(i) ->
       open[i] = 0;
       if
       :: D_ENDED(i) -> ForgetToD(i)
       :: else
       fi;
       if
       :: P_ENDED(i) -> ForgetToP(i)
       :: else
       fi
    :: else
    fi
  }
}

/* A D that has ended takes its memory along: nobody but P itself is reached by what its hand-offs
 * still do. So they only wait here until P notices. */
inline Simplify() {
  for (i : 0 .. ENTRIES - 1) {
    if
    :: !RAW && D_ENDED(i / HANDOFFS) ->
       block_of[i] = 0;
       p_begun[i] = 0;
       p_under_way[i] = 0;
       p_progressed[i] = 0;
       p_last_offer[i / HANDOFFS] = (p_holds[i / HANDOFFS] -> HANDOFFS : 0);
       ForgetToP(i / HANDOFFS);
       if
       :: P_LIVE(i) -> p_state[i] = p_queued
       :: else
       fi
    :: else
    fi
  };
  i = 0
}

active proctype World() {
  atomic {
    for (i : 0 .. JOINS - 1) {
      run Join(i);
      run Prefill(i, 0);
      run Prefill(i, 1)
    }
    i = 0;
    run Decode(0);
    run Decode(1)
  }
end:
  do
  :: d_step { d_epoch < D_RESTARTS && !quiet && joins > 0 ->
    d_epoch++;
    EndJoins();
    for (i : 0 .. HANDOFFS - 1) {
      d_state[i] = d_gone;
      d_progressed[i] = 0;
      d_join[i] = 0;
      owner[i] = FREE;
      written[i] = 0
    }
    d_offers = 0;
    d_holds = NONE;
    Simplify() }
  :: d_step { p_epoch < P_RESTARTS && !quiet && joins > 0 ->
    p_epoch++;
    EndJoins();
    for (i : 0 .. JOINS - 1) {
      p_holds[i] = 0;
      p_last_offer[i] = 0
    }
    for (i : 0 .. ENTRIES - 1) {
      if
      :: P_LIVE(i) ->
#ifndef REMOTE
         p_under_way[i] = 0;
#endif
         p_begun[i] = 0;
         p_progressed[i] = 0;
         p_state[i] = p_gone
      :: else
      fi
    }
    i = 0;
    p_table = 0 }
  :: d_step { owner[0] == SEQUENCE && !quiet -> owner[0] = FREE; written[0] = 0 } /* it ended */
  :: d_step { owner[1] == SEQUENCE && !quiet -> owner[1] = FREE; written[1] = 0 }
  :: d_step { QUIET && !quiet -> quiet = 1 }
  :: d_step { QUIET && !quiet -> quiet = 1; d_stands = 1 }
  :: d_step { QUIET && !quiet -> quiet = 1; p_stands = 1 }
  :: d_step { ORPHAN(0) || ORPHAN(1) -> assert(false) } /* no orphan: none without an entry, */
  :: timeout -> assert(AT_REST); break                  /* and no entry without an end */
  od
}
