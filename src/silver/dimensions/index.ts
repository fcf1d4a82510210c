import type { ViewStage } from '../../stage.ts';
import { dimClusterNode } from './dim_cluster_node.ts';
import { dimClusterUser } from './dim_cluster_user.ts';
import { dimInstance } from './dim_instance.ts';
import { dimNetworkInterface } from './dim_network_interface.ts';

/** What instances, network interfaces and clusters were, and from when until when: views of the sightings. */
export const dimensions: readonly ViewStage[] = [dimClusterNode, dimClusterUser, dimInstance, dimNetworkInterface];
