package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.memoryredis.MemoryRedis;
import org.junit.jupiter.api.Test;

/** Histories that have broken a promise, the shortest that the simulator found. */
class SimulatedFaultsTest {
    /** The script runs beside its twin, or alone, as in {@link CoreSimulationTest}. */
    private static final MemoryRedis REDIS = new MemoryRedis(
            Long.getLong("simulation.twin", 1) == 0 ? MemoryRedis.Engine.SCRIPT : MemoryRedis.Engine.BOTH);

    private static void keepsEveryPromise(String history) {
        var parsed = History.parse(history);

        var violation = Simulation.runJudgingAllTimes(parsed, REDIS);

        assertThat(violation).as(() -> Simulation.tell(parsed, REDIS)).isEmpty();
    }

    /** The clock of the host is ahead, and Redis puts it right when it is asked before the hold ends: it ends later. */
    @Test
    void deadlineByAFastClock() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=3 cold=1 call_agents=3 call_requests=5 calls=3 within=2 unsettled=1 max_open=4
                reserve cost=1 stray=1
                host_clock millis=25
                work most=3 order=12196390
                crash
                publish
                poll instance=1 most=5
                process instance=1 count=2 order=359260
                publish agent=2 stray=1
                poll instance=1 most=3
                process instance=1 count=5 order=9163822
                pass millis=643
                crash instance=1
                start
                pass millis=1878
                """);
    }

    /** The bucket refuses a request on its way, for which a place was kept: a stray that is processed before it finds a place. */
    @Test
    void placeKeptForAHoldThatTheBucketRefuses() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=20 rate=0 cold=200 call_agents=1 call_requests=3 calls=2 within=1 unsettled=1 max_open=2
                publish agent=2 cost=5
                publish agent=2 cost=2 stray=1
                reserve cost=6
                reserve agent=1 stray=2
                publish agent=2 cost=3
                steal from=1
                reserve cost=5
                work most=2 order=8070590
                work most=7 order=14038741
                """);
    }

    /** Nobody knows whether a stray on its way was charged, for which a place was kept: what is processed before it finds a place. */
    @Test
    void placeKeptForAHoldWhoseAnswerIsLost() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=20 rate=0 cold=0 call_agents=1 call_requests=4 calls=2 within=2 unsettled=0 max_open=2
                reserve agent=2 stray=2
                reserve
                publish agent=2 cost=4 stray=1
                reserve cost=3 stray=2
                work instance=1 most=7 order=14166203
                lose_reply
                poll most=4 reversed=1
                """);
    }

    /** A request beyond {@code max_open} was charged to find out whether it had been before, and what was given back came too late. */
    @Test
    void holdBeyondTheMaximumAfterACrash() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=5 rate=3 cold=0 call_agents=1 call_requests=5 calls=3 within=600 unsettled=1 max_open=2
                reserve agent=2 cost=3 stray=1
                publish cost=1
                reserve agent=1 cost=2 stray=2
                reserve agent=1 cost=1 stray=1
                reserve agent=1 cost=3 stray=1
                publish agent=2 cost=3 stray=1
                poll most=4
                crash
                pass millis=1613
                crash instance=1 committed=1
                reserve agent=2 cost=1 stray=1
                publish agent=1 cost=2 stray=2
                pass millis=592
                publish cost=1
                pass millis=217
                reserve agent=2 stray=1
                publish agent=2 cost=1
                reserve agent=1 cost=3 stray=1
                start
                work most=8 order=15386465
                pass millis=415
                pass millis=230
                pass millis=295
                pass millis=1954
                """);
    }

    /** Offsets begin again, and so do the names of holds: the one that was open under the name of another ends all the same. */
    @Test
    void holdsOfTwoRequestsOfOneName() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=0 call_agents=1 call_requests=1 calls=1 within=5 unsettled=1 max_open=1000
                reserve cost=4
                work most=4
                recreate
                reserve cost=3
                work most=4
                """);
    }

    /** A report comes after the deadline of the hold that bears its name, and another one of that name is still open. */
    @Test
    void reportOfANameThatTwoHoldsBear() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=20 rate=2 cold=1 call_agents=2 call_requests=3 calls=1 within=2 unsettled=1 max_open=1000
                publish agent=2
                publish cost=1 stray=1
                publish agent=1 stray=1
                reserve agent=2 cost=1
                poll most=7
                report agent=2 of=2 back=4 used=2 stray=2
                recreate
                process count=4 order=14086334
                reserve agent=1 stray=1
                reserve
                publish agent=2 cost=1
                commit
                reserve agent=1 stray=1
                poll most=3
                process count=5 order=4309167
                work most=6 order=11031693
                reserve agent=2 cost=1 stray=2
                reserve agent=1 cost=1 stray=1
                poll instance=1 most=6 reversed=1
                recreate rekeyed=1
                pass millis=1078
                process instance=1 count=7 order=232928
                pass millis=1105
                work instance=1 most=2 order=6483371
                work most=3 order=13861091
                poll most=3
                process count=1 order=4513486
                """);
    }

    @Test
    void failoverThatAStrayNoticesFirst() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=0 call_agents=1 call_requests=1 calls=1
                publish cost=1 stray=2
                work instance=1 most=4
                work most=4
                publish cost=6
                work most=4
                failover
                pass millis=30
                publish cost=1 stray=2
                work instance=1 most=4
                work most=4
                """);
    }

    @Test
    void redisEmptiedWithinAPoll() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=0 call_agents=1 call_requests=1 calls=2
                publish cost=6
                publish cost=6
                poll most=4
                empty after=13
                """);
    }

    @Test
    void writesLostBeforeTheirAnswers() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=20 rate=0 cold=0 call_agents=3 call_requests=3 calls=2
                publish agent=2 cost=1
                poll instance=1 most=1
                pass millis=92
                publish agent=2 cost=1
                failover writes=6
                """);
    }

    @Test
    void zombieWithACommittedBacklog() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=0 call_agents=1 call_requests=1 calls=1
                publish cost=1
                publish cost=1
                publish cost=1
                poll most=4
                steal
                work instance=1 most=4
                publish cost=1
                work instance=1 most=4
                process count=7
                """);
    }

    @Test
    void requestsTopicRecreatedWhileRunning() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=20 rate=0 cold=0 call_agents=3 call_requests=2 calls=1
                publish cost=3
                work most=1
                recreate
                """);
    }

    @Test
    void rekeyedTopicRecreatedWhileRunning() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=20 rate=0 cold=0 call_agents=3 call_requests=5 calls=1
                publish cost=3 stray=2
                work instance=1 most=2
                work most=2
                publish cost=1 stray=2
                recreate rekeyed=1
                """);
    }

    @Test
    void strayInTwoCallsAfterAnOutage() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=10 rate=1 cold=200 call_agents=1 call_requests=5 calls=2
                redis_down millis=158 after=4
                publish cost=2
                crash
                publish agent=2 cost=1 stray=2
                poll instance=1 most=2
                pass millis=1348
                process instance=1 count=7 order=4983460
                commit instance=1
                poll instance=1 most=8 reversed=1
                publish cost=4 stray=1
                """);
    }

    /** Redis comes back with the offsets that the copy knows, but with decisions that others have replaced since. */
    @Test
    void failoverToSupersededDecisions() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=5 rate=1 cold=1 call_agents=1 call_requests=4 calls=3
                publish agent=2 cost=2 stray=2
                publish cost=1
                publish agent=1 stray=2
                publish agent=2 stray=1
                crash
                publish stray=2
                publish stray=1
                publish agent=1 cost=1
                publish stray=1
                publish agent=2 cost=2
                publish agent=2 cost=2 stray=2
                publish cost=2 stray=1
                publish agent=2 cost=2 stray=2
                publish cost=2 stray=2
                publish agent=2 stray=2
                publish agent=2 cost=2 stray=1
                publish agent=1
                publish cost=2 stray=1
                publish cost=2 stray=2
                publish stray=1
                work instance=1 most=5 order=11648469
                publish agent=1 cost=1 stray=2
                publish agent=2 cost=1 stray=1
                publish cost=2 stray=1
                publish cost=2
                publish agent=1 cost=1 stray=2
                publish agent=1 stray=2
                publish cost=1 stray=2
                poll instance=1 most=5
                publish agent=1 cost=2 stray=2
                poll instance=1 most=2 reversed=1
                publish agent=2 stray=1
                publish agent=2 cost=2 stray=2
                process instance=1 count=7 order=1275487
                publish cost=2 stray=1
                process instance=1 count=3 order=5944242
                lose_reply instance=1 after=875
                publish agent=1 cost=2
                pass millis=941
                publish
                publish agent=2 cost=2
                publish agent=2 stray=1
                publish agent=2 cost=2
                process instance=1 count=6 order=6354539
                commit instance=1
                publish
                poll instance=1 most=4 reversed=1
                pass millis=1268
                publish agent=1 cost=1 stray=1
                work instance=1 most=4 order=13934195
                failover writes=6 after=1217
                """);
    }

    /** A zombie that Redis disagreed with in one source does not supersede what its successor has decided in the other. */
    @Test
    void zombieToldOfItsSuccessor() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=10 rate=1 cold=1 call_agents=1 call_requests=2 calls=2
                publish agent=1 cost=1 stray=2
                publish agent=1 stray=1
                publish stray=2
                publish agent=2 stray=2
                publish stray=1
                publish
                publish agent=1 stray=2
                publish cost=1 stray=1
                publish cost=1 stray=1
                publish stray=2
                publish agent=1 stray=2
                work instance=1 most=5 order=4923523
                publish cost=1 stray=2
                publish cost=1 stray=2
                poll most=5 reversed=1
                process count=1 order=12616309
                work instance=1 most=3 order=15772422
                poll most=8
                steal
                publish cost=1 stray=2
                process count=2 order=1138648
                work instance=1 most=5 order=13098712
                work instance=1 most=1 order=11800988
                process count=6 order=5506467
                """);
    }

    /** A zombie that Redis disagreed with does not supersede what its successor has decided since. */
    @Test
    void zombieDecidesAfterADisagreement() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=20 rate=0 cold=0 call_agents=1 call_requests=1 calls=1
                publish agent=1 cost=1 stray=1
                publish agent=2 stray=2
                publish agent=1 cost=3
                publish agent=1 cost=2 stray=1
                publish agent=1 stray=1
                publish agent=1 cost=1
                publish cost=2 stray=1
                publish stray=1
                poll most=7 reversed=1
                steal
                poll instance=1 most=4
                work instance=1 most=1 order=7554643
                poll instance=1 most=8 reversed=1
                process count=7 order=1764742
                """);
    }

    /** A zombie whose calls were lost decides one request alone, and asks for the next: it does not supersede its successor. */
    @Test
    void zombieAsksAfterDecidingAlone() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=0 call_agents=1 call_requests=1 calls=2
                publish cost=1
                work most=8
                publish cost=6 stray=2
                work instance=1 most=8
                publish cost=1
                publish cost=1
                poll most=8 reversed=1
                cut
                steal
                work instance=1
                process count=2
                """);
    }

    /** A call with a copy of before a local decision comes late, when Redis has gone on from a newer one. */
    @Test
    void callArrivesAfterANewerOne() {
        keepsEveryPromise("""
                at_least_once agents=3 capacity=10 rate=1 cold=0 call_agents=1 call_requests=4 calls=2
                slow millis=68 after=21
                publish cost=5 stray=2
                publish cost=5 stray=1
                work most=8 order=5778905
                failover writes=2
                publish cost=1
                poll instance=1 most=3 reversed=1
                publish agent=1 cost=4 stray=1
                process instance=1 count=2 order=4019949
                publish cost=1 stray=2
                poll most=6
                process count=6 order=12962904
                poll instance=1 most=8 reversed=1
                publish agent=1 cost=6
                poll most=3
                process instance=1 count=6 order=11498740
                publish
                poll most=5 reversed=1
                pass millis=1855
                process count=3 order=12415261
                """);
    }

    /** The second call's answer is used first, then the first call's becomes unusable: what it charged is not charged again. */
    @Test
    void laterAnswerUsedFirst() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=5 rate=1 cold=0 call_agents=3 call_requests=2 calls=2
                publish agent=1 cost=1 stray=2
                publish agent=1 cost=1 stray=2
                publish agent=2 stray=2
                publish cost=2 stray=1
                work instance=1 most=7 order=9155289
                delete after=31
                work most=4 order=4671479
                """);
    }

    /**
     * A new owner's first call, for strays, is to supersede what went nowhere; Redis disagrees. What it answers to the second call, for
     * requests at home, is of before the crash, and knows nothing of what was decided alone and committed meanwhile.
     */
    @Test
    void answerAfterADisagreement() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=0 cold=0 call_agents=2 call_requests=4 calls=2
                crash instance=1 committed=1
                publish agent=2 cost=6 stray=2
                publish cost=1 stray=1
                work most=1 order=10389617
                publish agent=1 cost=4 stray=2
                publish agent=2 cost=6 stray=2
                publish agent=2 cost=5 stray=2
                publish cost=5 stray=2
                publish agent=1 cost=1 stray=2
                work most=1 order=9713866
                publish agent=2 cost=1 stray=1
                publish agent=2 cost=3 stray=1
                publish agent=2 cost=2 stray=2
                crash
                publish agent=1 cost=5 stray=2
                publish agent=1 cost=1 stray=1
                publish agent=1
                publish agent=2 cost=3 stray=1
                publish cost=4 stray=2
                publish agent=1 stray=2
                start instance=1
                publish agent=1 cost=1
                publish agent=1 cost=3
                publish agent=1 cost=1
                publish agent=1 cost=6 stray=1
                publish agent=2 cost=1
                publish agent=2 cost=5 stray=2
                publish agent=2 cost=6
                publish agent=1 cost=3
                publish cost=4
                work instance=1 most=6 order=16668847
                publish agent=1 cost=2 stray=1
                poll instance=1 most=8
                slow instance=1 millis=138
                process instance=1 count=4 order=8161783
                commit instance=1
                crash instance=1
                start
                poll most=7 reversed=1
                """);
    }

    /** The instance that has lost the partition tells Redis of the reset when its successor has told it, and charged. */
    @Test
    void resetToldByTheFormerOwner() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=40 rate=0 cold=1 call_agents=2 call_requests=2 calls=3
                reset agent=1
                pass millis=379
                publish agent=2 cost=3 stray=1
                publish cost=4 stray=1
                publish agent=2 cost=5
                publish cost=4 stray=2
                commit
                publish agent=1 cost=5 stray=2
                publish agent=2 cost=6 stray=2
                publish agent=1 cost=2 stray=2
                publish agent=1 cost=5 stray=2
                steal
                work instance=1 most=8 order=15063847
                pass millis=909
                publish agent=2 cost=3
                lose_reply
                poll instance=1 most=2
                process count=1 order=3696864
                pass millis=1687
                publish cost=5
                work instance=1 most=4 order=4754445
                process count=2 order=1869994
                """);
    }

    /** The clock goes back by some milliseconds: what the bucket does not cover now it covers when the last request was refused. */
    @Test
    void refusalAtAnEarlierTime() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=20 rate=1 cold=200 call_agents=1 call_requests=1 calls=2
                publish agent=2 cost=2 stray=1
                poll most=7
                publish cost=3 stray=1
                pass millis=1542
                redis_clock millis=2
                poll most=6
                crash
                publish agent=1 cost=4 stray=1
                forget_script after=3226
                publish agent=2 cost=2
                pass millis=1145
                publish cost=3 stray=2
                publish cost=5 stray=1
                pass millis=306
                publish cost=3 stray=2
                pass millis=55
                poll instance=1 most=5
                work instance=1 most=1 order=3963282
                work instance=1 most=1 order=5469521
                redis_clock millis=5
                publish cost=5 stray=1
                pass millis=965
                publish agent=2 cost=1 stray=2
                publish cost=1
                work instance=1 most=1 order=5716192
                work instance=1 most=7 order=8592400
                """);
    }

    /** A copy that was written behind is settled first: Redis knows what it lacks. */
    @Test
    void settlementOnAnOldCopy() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=200 call_agents=3 call_requests=1 calls=1 stored=0
                publish agent=1 cost=5
                steal
                work instance=1 most=8 order=5255011
                publish agent=2 cost=3
                work most=5 order=8400381
                steal from=1
                settle refund=6
                """);
    }

    /** What Redis holds when a restored copy is settled has been charged for a request that comes again. */
    @Test
    void settlementBeforeAReplay() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=0 call_agents=2 call_requests=1 calls=1 stored=0
                publish cost=4
                poll most=4 reversed=1
                process count=6 order=10228431
                steal
                work most=8 order=8101427
                steal from=1
                settle agent=2 refund=8
                """);
    }

    /** The answer to a poll that is not processed any more has been charged, too. */
    @Test
    void settlementWhilePartitionReturns() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=0 cold=0 call_agents=1 call_requests=1 calls=2 stored=0
                steal
                publish agent=2 cost=3
                publish cost=2 stray=1
                commit
                poll instance=1 most=2
                steal from=1
                settle refund=10
                process instance=1 count=6 order=2423142
                """);
    }

    /** A request that its owner has refused without asking is charged for an instance that has lost the partition. */
    @Test
    void refusedButChargedForAZombie() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=10 rate=2 cold=1 call_agents=2 call_requests=1 calls=1 stored=0
                publish agent=2 cost=4 stray=2
                publish agent=2 cost=1 stray=1
                publish agent=2 cost=3 stray=2
                publish agent=2 stray=1
                publish agent=1 cost=2 stray=1
                steal from=1
                publish agent=2 cost=3 stray=2
                work instance=1 order=2958984
                publish agent=1 cost=3
                work most=2 order=8066733
                publish agent=1 cost=3
                publish agent=1 cost=3 stray=2
                work order=13719518
                poll most=2
                publish cost=6 stray=1
                steal
                work instance=1 most=7 order=13822823
                process count=2 order=12273061
                publish cost=3 stray=1
                poll instance=1 most=2
                """);
    }

    /** Redis disagrees with a new owner: the level that it takes over has been charged for its predecessor. */
    @Test
    void levelIncludesAZombiesCharge() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=0 cold=200 call_agents=1 call_requests=2 calls=1 stored=0
                publish agent=1 cost=5 stray=1
                work order=9169152
                settle agent=1 refund=11
                publish agent=1 stray=1
                work order=8032339
                publish cost=6
                publish stray=1
                publish agent=1 stray=1
                publish agent=2 cost=4
                publish agent=1 cost=3
                poll most=6 reversed=1
                steal
                poll instance=1 most=3 reversed=1
                process count=6 order=6323286
                """);
    }

    /** Redis has decided a stray anew, so that the copy decides after the first settlement: also what comes again from the other source. */
    @Test
    void settlementBetweenStrayAndReplay() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=0 call_agents=1 call_requests=1 calls=1 stored=0
                publish cost=4
                poll most=4
                process count=4
                publish cost=1 stray=2
                work instance=1 most=4
                steal
                poll instance=1 most=4 reversed=1
                process instance=1 order=1
                settle instance=1 refund=8
                process instance=1 count=4
                """);
    }

    /** What the first settlement gave back has filled the bucket before the second took tokens: the sum of both would leave more. */
    @Test
    void twoFirstSettlementsBeforeACommit() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=5 rate=1 cold=0 call_agents=3 call_requests=1 calls=1 stored=0
                publish cost=1
                poll most=8 reversed=1
                steal
                settle instance=1 refund=8
                pass millis=1566
                settle instance=1 refund=2
                commit instance=1
                """);
    }

    /** Redis does not answer before the first settlement: it charges on a full bucket, and hears of the refund later. */
    @Test
    void settlementToldAfterTheNextCharge() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=20 rate=0 cold=200 call_agents=3 call_requests=2 calls=1
                lose_reply instance=1
                publish agent=2 cost=4 stray=1
                settle agent=2 instance=1 refund=13
                """);
    }

    /** A new owner settles on a copy that was decided alone: Redis charges first, and hears of the refund later. */
    @Test
    void settlementOnALocalCopy() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=5 rate=1 cold=1 call_agents=3 call_requests=1 calls=3
                publish agent=1 cost=3 stray=2
                publish agent=1 cost=1 stray=2
                publish agent=1 cost=2 stray=1
                lose_reply instance=1
                steal
                poll instance=1 most=5
                process instance=1 count=5 order=8198621
                pass millis=720
                commit
                offsets_back partition=1 by=4
                steal from=1
                settle agent=1 refund=14
                """);
    }

    /** A request is refused by what a settlement has taken, which is undone: the new owner does not refuse it once more. */
    @Test
    void refusalAfterAnAbortedSettlement() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=5 rate=2 cold=0 call_agents=1 call_requests=4 calls=2
                publish
                publish cost=1 stray=1
                publish agent=1 stray=1
                publish agent=1 cost=1 stray=1
                publish cost=1
                publish agent=1 cost=2 stray=1
                publish agent=1 cost=2
                publish agent=1 stray=1
                publish agent=2 stray=2
                publish agent=1
                publish agent=1 cost=1 stray=2
                publish cost=2 stray=1
                publish
                publish agent=1 cost=1 stray=1
                publish agent=2 cost=1 stray=2
                publish agent=1 stray=1
                publish cost=1 stray=1
                steal
                poll instance=1 most=2
                work instance=1 most=4 order=6861442
                poll instance=1 most=2
                process instance=1 count=1 order=2238051
                publish agent=1 cost=1
                publish
                poll most=7
                steal from=1
                poll most=6
                settle refund=1
                process count=7 order=9442444
                poll most=8
                process count=3 order=9323874
                poll instance=1 most=6 reversed=1
                steal
                """);
    }

    /** A full bucket has no room for what its first settlement gives back: later it has none, either. */
    @Test
    void firstSettlementOfAFullBucket() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=20 rate=0 cold=200 call_agents=1 call_requests=1 calls=1 stored=0
                settle refund=7
                pass millis=1861
                pass millis=1636
                pass millis=963
                settle refund=13
                publish cost=1 stray=1
                """);
    }

    /** Redis had no room for what an aborted settlement gave back to a full bucket; the owner's next call takes it again. */
    @Test
    void abortedSettlementOfAFullBucket() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=40 rate=0 cold=0 call_agents=2 call_requests=1 calls=1 stored=0
                publish
                settle refund=10
                work most=6 order=1004217
                settle refund=14
                pass millis=1275
                steal
                """);
    }

    /** While Redis is away a settlement is followed by a decision: the next call says nothing of the refund, and its copy must not hold it. */
    @Test
    void settlementBeforeALocalDecision() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=20 rate=0 cold=1 call_agents=3 call_requests=4 calls=2
                redis_down millis=609
                publish agent=2 cost=2 stray=1
                poll instance=1 most=3 reversed=1
                publish agent=2 stray=1
                poll instance=1
                settle agent=2 instance=1 refund=9
                """);
    }

    @Test
    void manyAgentsAskAfterAnOutage() {
        int agents = 60;

        long waits = Simulation.waitsAfterAStartWithoutRedis(agents, new CallLimits(20, 512, 2, 512), REDIS);

        assertThat(waits)
                .as("one wait for each call of 20 agents, and one or two more")
                .isBetween(1L, 5L);
    }

    /** Redis hears of it when the next minute has begun, and that has begun full. */
    @Test
    void refundOfTheMinuteBefore() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=5 rate=3 cold=0 call_agents=2 call_requests=5 calls=1 stored=0 within=1 unsettled=1 max_open=1000
                reserve agent=2 cost=4
                pass millis=974
                pass millis=1060
                pass millis=1130
                pass millis=1042
                work most=8 order=11097619
                crash committed=1
                pass millis=693
                pass millis=1298
                publish cost=3
                poll instance=1 most=5 reversed=1
                crash instance=1 committed=1
                """);
    }

    /** What was given up is late, and finds a Redis that has lost what was decided meanwhile: it decides the same requests once more. */
    @Test
    void lateCallsThatFillAnEmptiedRedis() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=20 rate=3 cold=0 call_agents=1 call_requests=3 calls=2
                publish agent=2 cost=1
                publish cost=6 stray=2
                publish agent=2 cost=1
                slow millis=71
                publish cost=1 stray=1
                publish agent=2 cost=1 stray=1
                poll most=3 reversed=1
                publish agent=1 cost=4
                work most=2 order=1410734
                publish agent=2 cost=3 stray=1
                poll reversed=1
                publish agent=2 cost=4 stray=1
                publish agent=2 cost=1 stray=1
                publish cost=6 stray=1
                process count=5 order=6036217
                publish agent=2 cost=1
                publish agent=2 cost=4 stray=1
                forget_script after=35
                work instance=1 most=5 order=3202100
                poll most=8
                process count=4 order=10217081
                offsets_back rekeyed=1 by=6
                poll most=2
                process count=5 order=13284995
                empty after=2
                """);
    }

    /** The last of the late calls asks for more than was decided meanwhile. */
    @Test
    void lateCallsThatGoBeyondTheCopy() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=20 rate=3 cold=0 call_agents=1 call_requests=3 calls=2
                publish agent=2
                publish cost=6 stray=2
                poll most=8 reversed=1
                publish agent=2 cost=1
                publish cost=6 stray=2
                publish agent=2 cost=1
                slow millis=71
                publish cost=1 stray=1
                publish agent=2 cost=1 stray=1
                poll most=3 reversed=1
                publish agent=2 cost=3 stray=1
                poll most=2 reversed=1
                publish agent=2 cost=4 stray=1
                publish agent=2 cost=1 stray=1
                publish cost=6 stray=1
                publish agent=2 cost=2 stray=2
                process count=5 order=6036217
                forget_script
                publish agent=2 cost=1
                publish agent=2 cost=4 stray=1
                publish
                work instance=1 most=5 order=3202100
                poll most=8
                process count=4 order=10217081
                offsets_back rekeyed=1 by=6
                poll most=2
                process count=5 order=13284995
                empty after=2
                """);
    }

    /** The clock of Redis is behind the copy, whose settlement is not committed: what Redis answers is newer all the same. */
    @Test
    void answerWithoutASettlementOfOneMoment() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=5 rate=0 cold=0 call_agents=3 call_requests=4 calls=3
                move partition=1
                redis_clock millis=2
                publish agent=2 cost=2 stray=2
                policy agent=2 capacity=8 rate=1
                publish agent=2 stray=2
                move to=1
                publish agent=2
                poll instance=1 most=1 reversed=1
                process instance=1 count=6 order=16485610
                commit instance=1
                poll most=6
                redis_down millis=614
                publish agent=2 cost=1 stray=1
                process order=3488229
                settle agent=2 refund=3
                """);
    }

    /** Time refills the bucket from the settlement to the commit, and then another instance takes over. */
    @Test
    void refundThatIsCommittedLate() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=10 rate=1 cold=200 call_agents=1 call_requests=1 calls=1 stored=0
                publish agent=2 cost=2 stray=1
                publish agent=2 cost=1 stray=2
                steal from=1
                work most=2 order=14482417
                commit instance=1
                settle agent=2 refund=12
                publish agent=2 cost=1 stray=1
                pass millis=825
                poll most=7 reversed=1
                commit
                work most=8 order=3384789
                publish agent=2 cost=1 stray=1
                steal
                publish agent=2 cost=2
                """);
    }

    /** What a hold that ends has Redis asked for shows that it had lost what the topic was asked for before: it must keep that. */
    @Test
    void lossThatAHoldNoticesFirst() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=10 rate=1 cold=0 call_agents=2 call_requests=5 calls=3 within=1 unsettled=0 max_open=4
                other agent=1 cost=1 after=2474
                crash
                publish agent=1 cost=2 stray=1
                failover writes=5 after=1919
                reserve agent=1 cost=2 stray=1
                reserve agent=1 cost=1
                poll instance=1 most=6
                process instance=1 count=5 order=640177
                commit instance=1
                recreate
                reserve agent=1
                """);
    }

    /** Redis has not been told a debt of the minute before: it makes no room for a refund of this one. */
    @Test
    void refundAfterADebtOfThePeriodBefore() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=20 rate=3 cold=0 call_agents=2 call_requests=2 calls=3
                pass millis=1930
                pass millis=965
                pass millis=1438
                settle agent=1
                pass millis=1699
                commit
                settle agent=1 refund=13
                settle agent=1 refund=3
                """);
    }

    /** More was used than was reserved in a minute that is over: nothing is left to tell Redis of it before it hears of this minute. */
    @Test
    void debtOfThePeriodBeforeAndOfThisOne() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=20 rate=3 cold=0 call_agents=3 call_requests=4 calls=2 within=1 unsettled=0 max_open=2
                reserve
                report agent=2 of=2 back=2 used=7
                pass millis=708
                pass millis=1699
                pass millis=1186
                pass millis=883
                reserve stray=2
                pass millis=623
                report of=2 used=5 stray=2
                wrong_type agent=2 after=5
                """);
    }

    /** Our copy went on in the next minute, which owes nothing: without the debt, which is not committed, it holds no more. */
    @Test
    void debtOfThePeriodBeforeThatMayBeUndone() {
        keepsEveryPromise("""
                at_least_once agents=1 capacity=5 rate=3 cold=1 call_agents=3 call_requests=5 calls=3 within=5 unsettled=1 max_open=1
                reserve
                publish agent=2 cost=1 stray=2
                work most=1 order=2909684
                reserve agent=2
                redis_down millis=572
                work instance=1 most=8 order=432641
                report of=1 back=3 used=3
                pass millis=1705
                pass millis=1434
                poll most=6
                process order=6357382
                failover writes=1
                pass millis=1768
                pass millis=1768
                process count=6 order=1589
                """);
    }

    /** Redis was told of a debt, and time has made up for it since: it makes no room for a refund. */
    @Test
    void refundAfterADebtThatTimeHasMadeUpFor() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=20 rate=1 cold=0 call_agents=3 call_requests=2 calls=3 within=2 unsettled=1 max_open=1
                reserve
                publish cost=1 stray=2
                poll most=4
                process count=4 order=15696793
                reserve cost=1 stray=1
                commit
                report of=1 back=3 used=1
                publish cost=2 stray=2
                work most=2 order=16709301
                pass millis=1871
                publish cost=2 stray=1
                pass millis=1175
                poll instance=1 most=4 reversed=1
                process instance=1 count=4 order=3647492
                commit instance=1
                poll most=1 reversed=1
                reports_back by=5
                """);
    }

    /** Another program writes the emptied bucket first, and the copy has no offsets in the new topic to tell of the loss. */
    @Test
    void bucketThatAnotherProgramBeginsAnew() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=20 rate=0 cold=1 call_agents=2 call_requests=2 calls=2 within=2 unsettled=0 max_open=4
                crash committed=1
                reserve agent=1 cost=1 stray=1
                work instance=1 most=7 order=3304713
                recreate
                reserve agent=1 cost=1 stray=2
                pass millis=1085
                poll instance=1 most=1 reversed=1
                process instance=1 count=5 order=12120297
                pass millis=998
                empty
                other agent=1
                """);
    }

    /** The same, and the first to look in vain is a settlement. */
    @Test
    void bucketBegunAnewAfterASettlement() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=10 rate=0 cold=0 call_agents=2 call_requests=3 calls=1 within=600 unsettled=1 max_open=1
                reserve agent=2 cost=4 stray=1
                work instance=1 most=3 order=13064014
                report agent=2 back=5 used=3
                empty after=28
                recreate
                reserve agent=2 cost=3
                poll instance=1 most=8
                offsets_back partition=1 rekeyed=1 by=2
                poll instance=1 most=2
                process instance=1 count=1 order=5683804
                reserve agent=2 cost=3
                other agent=2 cost=2
                """);
    }

    /** Redis goes back to what another program wrote before our first write, when the topic has been made anew. */
    @Test
    void failoverToAWriteOfAnotherProgram() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=0 cold=1 call_agents=3 call_requests=3 calls=2 within=2 unsettled=0 max_open=4
                reserve agent=1 cost=2 stray=2
                failover writes=1 after=38
                crash instance=1
                work most=1 order=3382714
                pass millis=241
                recreate
                other agent=2 after=15
                reserve agent=2 cost=3
                poll most=4
                process count=2 order=10914978
                work most=5 order=9801926
                crash
                other cost=1
                pass millis=1438
                pass millis=1568
                failover writes=5 after=1513
                recreate
                """);
    }

    /** An instance that has lost its partition spends what it gave back: Redis must not hear of that, as it is never committed. */
    @Test
    void refundThatAnInstanceWithoutThePartitionSpends() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=5 rate=0 cold=1 call_agents=2 call_requests=5 calls=2 within=5 unsettled=1 max_open=1
                reserve cost=2
                publish cost=2
                work most=8 order=14880060
                lose_reply instance=1 after=9
                pass millis=1481
                publish cost=2 stray=1
                reserve cost=2 stray=1
                pass millis=1969
                pass millis=447
                steal
                poll most=3 reversed=1
                poll instance=1 most=3
                pass millis=1249
                steal from=1
                process instance=1 count=4 order=13043744
                """);
    }

    /** What was given up arrives when its request has been decided and committed, and a refund told: it must not take that back. */
    @Test
    void lateCallAfterARefund() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=20 rate=0 cold=0 call_agents=2 call_requests=2 calls=2 within=1 unsettled=1 max_open=1000
                lose_reply instance=1 after=26
                pass millis=1234
                reserve agent=1
                publish agent=1
                reserve agent=1 cost=1 stray=2
                reserve agent=1 cost=1
                steal
                work instance=1 most=6 order=6771585
                work instance=1 order=8654175
                forget_script
                poll most=5
                reserve agent=1 stray=1
                slow millis=55 after=3305
                pass millis=1716
                steal from=1
                work order=2076134
                process count=4 order=4381758
                """);
    }

    /** An instance that has lost its partition goes on in the topic that is gone: its successor has decided in the new one. */
    @Test
    void zombieInATopicThatWasMadeAnew() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=10 rate=3 cold=1 call_agents=2 call_requests=1 calls=1 within=1 unsettled=1 max_open=1000
                recreate rekeyed=1
                steal from=1
                reserve agent=2 cost=2
                poll most=8 reversed=1
                publish agent=2 cost=1
                poll instance=1 most=4
                process count=7 order=3559042
                cut late=1 micros=2742 after=6
                poll most=5
                process count=3 order=2537939
                reserve agent=2 stray=1
                poll most=3
                commit
                recreate
                steal
                reserve agent=2 cost=5 stray=2
                reserve agent=2 cost=5 stray=1
                poll instance=1 reversed=1
                process instance=1 count=6 order=10399927
                work instance=1 most=5 order=11848605
                process count=1 order=14017713
                """);
    }

    /** A call is given up when a stray must be sent anew: its requests are in the copy's fence, and must not be refused unasked. */
    @Test
    void answeredInACallThatWasGivenUp() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=3 cold=0 call_agents=3 call_requests=5 calls=1
                publish cost=1 stray=1
                steal from=1
                slow instance=1 millis=76
                publish cost=1 stray=1
                lose_reply instance=1 after=2119
                pass millis=556
                poll instance=1 most=2 reversed=1
                publish cost=5 stray=2
                publish agent=1 cost=3 stray=1
                publish cost=5 stray=2
                publish agent=1 stray=1
                publish cost=5 stray=2
                publish agent=1 cost=3 stray=1
                publish agent=2 cost=3
                work most=3 order=4434053
                publish agent=2 cost=6 stray=1
                steal
                publish agent=2 cost=2 stray=2
                poll instance=1 reversed=1
                pass millis=623
                publish cost=3
                publish stray=2
                lose_reply instance=1 after=14
                poll instance=1 most=5 reversed=1
                pass millis=1697
                work instance=1 most=4 order=10302939
                """);
    }

    /** A call is given up when a stray must be sent anew: what it charged is known, as it was answered. */
    @Test
    void callGivenUpBeforeAStrayIsSentAnew() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=3 cold=0 call_agents=3 call_requests=5 calls=1
                pass millis=1458
                publish cost=1 stray=1
                pass millis=1186
                slow millis=94 after=28
                pass millis=1811
                publish agent=2 cost=1 stray=1
                publish agent=1 cost=5 stray=1
                slow instance=1 millis=76
                steal from=1
                lose_reply instance=1 after=2119
                work instance=1 most=3 order=8950070
                publish agent=1 cost=3 stray=1
                publish cost=5 stray=2
                publish agent=1 stray=1
                publish agent=1 cost=1 stray=2
                publish agent=2 cost=4
                publish agent=1 cost=5 stray=1
                work most=3 order=4434053
                steal
                publish agent=2 cost=2 stray=2
                poll instance=1 reversed=1
                pass millis=623
                publish stray=2
                lose_reply instance=1 after=14
                poll instance=1 most=5 reversed=1
                pass millis=1697
                work instance=1 most=4 order=10302939
                """);
    }

    /** An instance takes over a copy that was decided alone, and loses the partition: Redis must not hear of what it decides then. */
    @Test
    void zombieAfterADecisionOfItsPredecessor() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=1 cold=200 call_agents=1 call_requests=1 calls=2
                publish cost=5 stray=2
                publish agent=1 cost=4 stray=1
                publish agent=2 stray=1
                lose_reply after=25
                steal from=1
                poll instance=1 most=4
                publish cost=3
                work most=3 order=15273625
                publish cost=3 stray=1
                steal
                poll most=6
                publish agent=2
                cut instance=1 micros=2136
                poll instance=1 most=4 reversed=1
                pass millis=1528
                steal from=1
                process instance=1 count=2 order=1401121
                """);
    }

    /** A call that did not know of a refund comes late: until then time would have refilled the bucket, if it had not been full. */
    @Test
    void refundToldAfterALateCall() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=5 rate=1 cold=1 call_agents=1 call_requests=3 calls=3
                publish agent=2 cost=4 stray=2
                publish agent=1 cost=1 stray=2
                publish agent=2 cost=4 stray=2
                poll instance=1 most=6
                publish cost=1 stray=2
                process instance=1 order=14330115
                publish agent=2 cost=3 stray=2
                commit instance=1
                poll most=3
                publish stray=2
                settle refund=13
                publish cost=1
                publish cost=1 stray=1
                work instance=1 most=4 order=8224267
                publish agent=2 cost=3 stray=1
                freeze millis=452
                poll most=8 reversed=1
                commit
                process count=1 order=14728767
                pass millis=208
                move to=1
                """);
    }

    /** The same, and the refund is told by the next call of the instance that has lost the partition. */
    @Test
    void refundToldBehindALateCall() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=5 rate=1 cold=1 call_agents=1 call_requests=3 calls=3
                publish agent=2 cost=4 stray=2
                publish agent=1 cost=1 stray=2
                publish agent=1 cost=1 stray=2
                poll instance=1 most=6
                publish cost=1 stray=2
                process instance=1 order=14330115
                commit instance=1
                poll most=3
                process count=1 order=73899
                publish agent=1 cost=3
                settle refund=13
                publish cost=1
                publish cost=1 stray=1
                publish agent=2 stray=1
                work instance=1 most=4 order=8224267
                publish agent=2 cost=3 stray=1
                freeze millis=452
                poll most=8 reversed=1
                commit
                process count=1 order=14728767
                pass millis=208
                move to=1
                """);
    }

    /** A refund without room, and a debt, are settled while Redis does not answer; it is asked for a charge first. */
    @Test
    void debtAfterARefundBeforeACharge() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=1 cold=0 call_agents=1 call_requests=1 calls=2
                lose_reply after=1646
                publish agent=1 cost=3
                pass millis=533
                settle agent=1 refund=11
                settle agent=2 refund=2
                """);
    }

    /** The same, and Redis holds nothing when it is told. */
    @Test
    void debtAfterARefundOfAFullBucket() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=1 cold=0 call_agents=1 call_requests=1 calls=2
                lose_reply after=1646
                publish cost=4 stray=2
                pass millis=533
                settle agent=1 refund=11
                settle agent=2 refund=2
                """);
    }

    /** The first records of a topic that was made anew were aborted: its offsets do not tell the task that it is another one. */
    @Test
    void gapAtTheStartOfANewTopic() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=10 rate=0 cold=1 call_agents=3 call_requests=1 calls=1
                publish cost=1 stray=2
                publish agent=2 cost=1 stray=2
                work instance=1 most=6 order=6717390
                poll most=2
                publish cost=3 stray=2
                recreate rekeyed=1
                poll instance=1 most=2
                work most=6 order=1098981
                process instance=1 count=4 order=3297619
                work instance=1 most=1 order=7910072
                work instance=1 most=2 order=15202645
                poll
                process count=1 order=1240754
                offsets_back rekeyed=1 by=4
                """);
    }

    /** An instance that stood still in its poll has fetched what others have decided meanwhile: it must not ask for that. */
    @Test
    void standstillInAPoll() {
        keepsEveryPromise("""
                at_least_once agents=2 capacity=40 rate=0 cold=0 call_agents=1 call_requests=1 calls=1
                stand_still most=2 committed=1
                publish agent=1 cost=4
                publish agent=1 cost=5
                publish cost=2
                publish agent=1 cost=1
                """);
    }

    /** An instance that stood still while it waited for Redis must not publish what it then decides alone. */
    @Test
    void standstillInAWait() {
        keepsEveryPromise("""
                at_least_once agents=3 capacity=40 rate=0 cold=0 call_agents=1 call_requests=1 calls=3
                stand_still instance=1 waiting=1 most=1 committed=1
                """);
    }

    /** A full bucket is refunded while Redis does not answer; the call after the one that shows it tells of the refund. */
    @Test
    void refundOfAFullBucketToldAtOnce() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=40 rate=0 cold=200 call_agents=1 call_requests=4 calls=2
                publish cost=2 stray=2
                redis_down millis=1308 after=14
                publish cost=3
                work instance=1 order=4154966
                settle refund=9
                publish agent=1 cost=3 stray=1
                pass millis=1620
                poll most=7
                commit
                """);
    }

    /** A hold was refused, and what follows was decided, before a crash: the refusal was given again with a later time. */
    @Test
    void refusedHoldBeforeADecidedRequest() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=0 call_agents=2 call_requests=1 calls=1 stored=0 within=1 unsettled=0 max_open=1
                reserve agent=1 stray=1
                steal
                poll instance=1 most=7
                process instance=1 count=2 order=6411203
                pass millis=810
                reserve agent=2 stray=1
                work instance=1 most=3 order=9340884
                reserve agent=2
                poll most=7 reversed=1
                steal from=1
                work most=8 order=11492407
                """);
    }

    /** The answer to a stray is lost, and that to the next one is known before, because a request at home was decided. */
    @Test
    void answerBehindOneOfTheOtherSource() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=10 rate=0 cold=1 call_agents=2 call_requests=1 calls=1
                publish stray=2
                move partition=1
                lose_reply after=3662
                publish agent=1 stray=2
                work most=5 order=5198672
                publish cost=1
                pass millis=274
                poll most=1 reversed=1
                """);
    }

    /** The answers to requests with holds are in our copy, and their call is given up: they keep their places. */
    @Test
    void placeKeptForWhatOurCopyKnows() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=40 rate=2 cold=200 call_agents=2 call_requests=5 calls=1 within=2 unsettled=1 max_open=2
                publish agent=2 cost=2 stray=2
                reserve agent=1 cost=3 stray=2
                reserve agent=2 cost=2 stray=2
                reserve agent=1 stray=1
                work instance=1 most=7 order=2745844
                reserve agent=1 stray=1
                poll most=2 reversed=1
                pass millis=899
                lose_reply
                process count=4 order=202385
                """);
    }

    /** A hold is refused beside decisions that Redis does not know: the next owner, whose clock is behind, refused earlier. */
    @Test
    void refusedHoldBeforeAMove() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=5 rate=0 cold=0 call_agents=3 call_requests=2 calls=1 within=5 unsettled=1 max_open=2
                steal from=1
                reserve agent=2 cost=1 stray=2
                work most=5 order=6400141
                reserve agent=2 stray=2
                commit instance=1
                slow instance=1 millis=43
                work order=8489179
                move to=1
                poll instance=1 most=7
                cut instance=1 micros=184 after=37
                process instance=1 count=2 order=7955284
                pass millis=777
                reserve agent=2 cost=4
                poll instance=1 most=7
                process instance=1 count=2 order=15386978
                commit instance=1
                reserve agent=1 cost=2 stray=1
                steal from=1
                poll most=1 reversed=1
                process count=6 order=5112763
                """);
    }

    /** A hold was refused before a crash, and Redis says so again: it keeps no place. */
    @Test
    void refusedHoldKeepsNoPlace() {
        keepsEveryPromise("""
                exactly_once agents=1 capacity=5 rate=3 cold=1 call_agents=1 call_requests=4 calls=2 within=5 unsettled=1 max_open=4
                reserve agent=1 cost=3 stray=1
                reserve agent=2
                reserve agent=1 stray=1
                reserve agent=2 cost=1 stray=2
                reserve agent=1 cost=2 stray=1
                steal
                publish agent=2 cost=1 stray=2
                work instance=1 most=8 order=11690044
                offsets_back by=1
                publish cost=1 stray=1
                publish agent=2
                commit
                steal from=1
                reserve agent=1 cost=2 stray=1
                pass millis=1480
                poll most=7 reversed=1
                reserve agent=1 cost=3 stray=1
                process count=5 order=6158166
                publish agent=1 cost=3
                pass millis=1961
                pass millis=1655
                crash
                crash instance=1 committed=1
                reserve cost=2
                reserve agent=2 stray=1
                start
                pass millis=1022
                poll most=6
                reserve agent=2 stray=1
                """);
    }

    /** A committed refund fills the bucket, Redis does not know of it, time goes on, and then a debt follows. */
    @Test
    void debtAfterARefundThatFilledTheBucket() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=10 rate=1 cold=0 call_agents=1 call_requests=2 calls=3 stored=0
                publish cost=3
                publish cost=4
                work most=6 order=14203398
                settle refund=14
                publish cost=4
                poll
                commit
                pass millis=1719
                settle
                """);
    }

    /** A call that told Redis of a settlement carried local decisions of a transaction that was aborted. */
    @Test
    void toldOfDecisionsThatAreUndone() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=40 rate=3 cold=0 call_agents=3 call_requests=2 calls=2
                settle agent=1
                work most=2 order=104794
                freeze millis=554
                publish agent=1
                publish agent=1 cost=4 stray=1
                publish agent=1 cost=3
                poll most=7
                pass millis=1778
                process count=1 order=1511656
                pass millis=1170
                steal
                """);
    }

    /** After a failover Redis lacks what our copy knows, and holds charges that our copy has never heard of. */
    @Test
    void failoverWithChargesOfBoth() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=20 rate=0 cold=0 call_agents=1 call_requests=2 calls=3
                steal from=1
                lose_reply instance=1 after=12
                publish agent=1 stray=2
                publish agent=1 cost=2 stray=2
                publish agent=1 stray=2
                work instance=1 most=1 order=14981433
                publish agent=1 cost=1
                move to=1
                poll instance=1 most=2
                process instance=1 count=1 order=6688403
                commit instance=1
                lose_reply after=10
                poll most=2 reversed=1
                process count=7 order=2237433
                commit
                steal from=1
                poll most=3
                process order=6850503
                pass millis=1054
                publish agent=1 cost=1
                publish cost=2 stray=2
                failover writes=1 after=2215
                publish cost=2 stray=2
                commit instance=1
                poll most=5
                commit
                process count=2 order=7863422
                move to=1
                """);
    }

    /** A zombie has refused a hold, and asked for what follows; the new owner refuses the hold at another time. */
    @Test
    void refusedHoldBesideAZombie() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=5 rate=0 cold=0 call_agents=3 call_requests=1 calls=1 within=600 unsettled=0 max_open=1
                reserve
                reserve agent=1 stray=1
                steal
                reserve agent=1 cost=2 stray=2
                work instance=1 order=8780717
                reserve agent=1 cost=2 stray=1
                poll instance=1 most=1 reversed=1
                work most=7 order=6285830
                publish agent=1 stray=1
                poll instance=1 most=4
                steal from=1
                poll
                process instance=1 count=5 order=1613675
                """);
    }

    /** A zombie asks for what its successor has decided and committed: below the fence, where no group covers it. */
    @Test
    void zombieAsksForWhatIsCommitted() {
        keepsEveryPromise("""
                exactly_once agents=2 capacity=40 rate=3 cold=0 call_agents=1 call_requests=1 calls=1
                steal
                publish agent=2 cost=4 stray=1
                poll most=4
                publish cost=5
                poll instance=1 most=4
                steal from=1
                work most=5 order=6920986
                publish cost=2
                work most=4 order=10787601
                process instance=1 order=599633
                """);
    }

    /** Redis hears of a reset again after the group's offsets went back: it fills nothing once more. */
    @Test
    void resetToldAgainAfterOffsetsWentBack() {
        keepsEveryPromise("""
                exactly_once agents=3 capacity=10 rate=1 cold=200 call_agents=1 call_requests=1 calls=1 stored=0
                reset agent=1
                pass millis=1544
                publish agent=1 cost=2 stray=1
                commit
                work most=5 order=15207245
                publish agent=1 cost=4
                publish agent=1 cost=2
                work most=7 order=13695515
                offsets_back rekeyed=1
                publish agent=1 cost=6 stray=1
                poll most=5 reversed=1
                offsets_back by=1
                publish agent=1 cost=5 stray=1
                """);
    }
}
